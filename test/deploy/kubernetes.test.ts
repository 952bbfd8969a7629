import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { loginGroups } from '../../src/ops/roles/create-login.ts'
import { configGroups } from '../../src/platform/config-variables.ts'
import { killChildren, startChild } from '../support/child.ts'
import { freePort } from '../support/free-port.ts'
import { administer, blankDatabase } from '../support/postgres.ts'
import { openPool } from '../support/system.ts'
import {
  apiWithOperations,
  cluster,
  configOf,
  containerOf,
  deployments,
  environmentOf,
  files,
  find,
  portOf,
  roles,
  secrets,
  type Workload,
  workloads,
} from './kubernetes-manifests.ts'
import { problemsOf } from './kubernetes-schemas.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const { version, scripts } = JSON.parse(read('package.json')) as {
  version: string
  scripts: Record<string, string>
}

describe('the manifests of deploy/kubernetes', () => {
  for (const [file, documents] of files)
    it(`of ${file} match the published schemas`, () => {
      expect(documents).to.not.deep.equal([])
      for (const manifest of documents) expect(problemsOf(manifest), manifest.metadata.name).to.deep.equal([])
    })

  it('are checked for properties that no schema has', () => {
    const misspelt = structuredClone(deployments[0]) as Workload & { spec: { replica?: number } }
    misspelt.spec.replica = 2
    expect(problemsOf(misspelt)).to.deep.equal(['unknown property /spec/replica'])
  })

  it('run every role with the image of this version and the command of its npm script', () => {
    const commands = Object.fromEntries(
      workloads.map(each => [containerOf(each).name, containerOf(each).command]),
    )
    expect(commands).to.have.all.keys(['api', 'dispatcher', 'migrate', 'worker'])
    for (const [role, [, ...words]] of Object.entries(commands))
      expect(scripts[role]).to.equal(
        `node scripts/run.js node --import ./src/compile-cache.js ${words.join(' ')}`,
      )
    for (const each of workloads)
      expect(containerOf(each).image).to.equal(`registry.example/comanda:${version}`)
  })

  it('set only variables that exist, to values that the processes accept', () => {
    const known = Object.values(configGroups).flatMap(group => Object.keys(group))
    for (const each of workloads) {
      const unknown = Object.keys(environmentOf(each)).filter(name => !known.includes(name))
      expect(unknown).to.deep.equal(['PGPASSWORD'])
      expect(configOf(each)).to.include({ AUTH_MODE: 'api-key', LOG_FORMAT: 'json' })
    }
  })

  it('probe paths that the processes serve, at the ports that they listen on', () => {
    for (const each of deployments) {
      const container = containerOf(each)
      const { PORT, STATUS_PORT } = configOf(each)
      const probes = ['startupProbe', 'livenessProbe', 'readinessProbe'] as const
      const targets = probes.map(probe => container[probe].httpGet)
      expect(targets.map(({ path }) => path)).to.deep.equal(['/healthz', '/healthz', '/readyz'])
      for (const { port } of targets)
        expect(portOf(container, port)).to.equal(container.name === 'api' ? PORT : STATUS_PORT)
    }
  })

  it('wait longer for the end of a process than it may take, and for its start than for the database', () => {
    for (const each of deployments) {
      const { DRAIN_DELAY_MS, SHUTDOWN_TIMEOUT_MS, DATABASE_WAIT_MS } = configOf(each)
      const { lifecycle, startupProbe, readinessProbe } = containerOf(each)
      const stopMs =
        (lifecycle?.preStop.sleep.seconds ?? 0) * 1_000 + DRAIN_DELAY_MS + SHUTDOWN_TIMEOUT_MS + 1_000
      expect(each.spec.template.spec.terminationGracePeriodSeconds * 1_000).to.be.above(stopMs)
      expect(startupProbe.periodSeconds * startupProbe.failureThreshold * 1_000).to.be.above(DATABASE_WAIT_MS)
      expect(DRAIN_DELAY_MS).to.be.above(
        readinessProbe.periodSeconds * readinessProbe.failureThreshold * 1_000,
      )
    }
  })

  it('run as the user of the image', () => {
    // The official image has the user `node` with the uid 1000.
    expect(
      read('Dockerfile')
        .match(/^USER .*$/gm)
        ?.at(-1),
    ).to.equal('USER node')
    for (const { spec } of workloads)
      expect(spec.template.spec.securityContext).to.include({ runAsNonRoot: true, runAsUser: 1000 })
  })

  it('name only Secrets that exist, or that an operator of Kubernetes creates', () => {
    const known = [
      ...secrets.map(({ metadata }) => metadata.name),
      'comanda-postgres-app',
      'comanda-postgres-ca',
      'comanda-tls',
    ]
    const named = [...files.keys()].flatMap(file =>
      [
        ...read(`deploy/kubernetes/${file}`).matchAll(
          /(?:secretKeyRef|passwordSecret|credentials|secret): \{ (?:name|secretName): ([\w-]+)|secretName: ([\w-]+)/g,
        ),
      ].map(([, a, b]) => a ?? b),
    )
    expect(new Set(named)).to.deep.equal(new Set(known))
  })

  it('give each process the login of its own group, and no other password', () => {
    for (const each of deployments) {
      const { name, env } = containerOf(each)
      const { username } = new URL(configOf(each).DATABASE_URL ?? '')
      const passwords = env.flatMap(({ valueFrom }) => valueFrom ?? [])
      const secret = secrets.find(({ metadata }) => metadata.name === passwords[0]?.secretKeyRef.name)
      expect(passwords).to.have.length(1)
      expect(secret?.stringData['username']).to.equal(username)
      expect(roles.find(role => role.name === username)).to.deep.include({
        inRoles: [loginGroups[name as keyof typeof loginGroups]],
        passwordSecret: { name: secret?.metadata.name },
      })
    }
  })

  it('give the API the login of operators only with the patch, like docker-compose.yml', () => {
    const patched = apiWithOperations()
    expect(problemsOf(patched)).to.deep.equal([])
    const login = { secretKeyRef: { name: 'comanda-operations-login', key: 'password' } }
    expect(containerOf(patched).env).to.deep.include({ name: 'OPERATIONS_PASSWORD', valueFrom: login })
    const { username } = new URL(configOf(patched).OPERATIONS_DATABASE_URL ?? '')
    expect(roles.find(({ name }) => name === username)?.inRoles).to.deep.equal([loginGroups.operations])
    for (const each of deployments)
      expect(environmentOf(each)).not.to.have.property('OPERATIONS_DATABASE_URL')
    expect(read('docker-compose.yml')).not.to.contain('OPERATIONS_DATABASE_URL')
  })

  it('have a login of each group but that of the dashboard and of people', () => {
    const groups = roles.filter(({ login }) => !login).map(({ name }) => name)
    const used = roles.flatMap(({ inRoles = [] }) => inRoles)
    expect(groups.filter(name => !used.includes(name))).to.have.members([
      loginGroups.dashboard,
      'comanda_operator',
    ])
  })

  it('send traffic, disruption budgets, scaling and network rules to pods that exist', () => {
    const pods = deployments.map(({ spec }) => spec.template.metadata.labels)
    const components = pods.map(labels => labels['app.kubernetes.io/component'])
    expect(components).to.have.members(['api', 'dispatcher', 'worker'])
    for (const each of deployments) {
      const { name } = each.metadata
      const labels = each.spec.template.metadata.labels
      expect(find('Service', name)?.spec.selector).to.deep.equal(labels)
      const budget = find('PodDisruptionBudget', name)
      expect(budget?.spec.selector.matchLabels).to.deep.equal(labels)
    }
    expect(read('deploy/kubernetes/network-policy.yaml')).to.contain('cnpg.io/cluster: comanda-postgres')
  })

  it('allow as many database connections as all processes open during a rolling update', () => {
    const scaler = find('HorizontalPodAutoscaler', 'comanda-api')
    const pools = {
      api: 'API_POOL_COUNT',
      dispatcher: 'DISPATCHER_POOL_COUNT',
      worker: 'WORKER_POOL_COUNT',
    } as const
    // 3 connections of an API with the patch, and those that listen
    const listeners = { api: 4, dispatcher: 1, worker: 2 }
    const used = deployments.map(each => {
      const role = containerOf(each).name as keyof typeof pools
      const count =
        (each.spec.replicas ?? scaler?.spec.maxReplicas ?? 0) +
        (each.spec.strategy?.rollingUpdate.maxSurge ?? 0)
      return count * (configOf(each)[pools[role]] + listeners[role])
    })
    const OPERATORS = 20
    const sum = used.reduce((total, count) => total + count, OPERATORS)
    expect(Number(cluster?.postgresql.parameters['max_connections'])).to.be.at.least(sum)
  })

  describe('on a database with the roles of postgres.yaml', () => {
    const suffix = randomBytes(4).toString('hex')
    const password = randomBytes(12).toString('hex')
    const renamed = (name: string) => `${name}_${suffix}`
    let database: Awaited<ReturnType<typeof blankDatabase>>

    before(async () => {
      database = await blankDatabase()
      await administer(`create role ${renamed('comanda')} login password '${password}'`)
      await administer(
        `alter database ${new URL(database.url).pathname.slice(1)} owner to ${renamed('comanda')}`,
      )
      // Groups keep their names, which `migrate` knows. The template of the suite has created them.
      for (const { name, inRoles = [] } of roles.filter(({ login }) => login)) {
        await administer(`create role ${renamed(name)} login password '${password}'`)
        await administer(`grant ${inRoles.join(', ')} to ${renamed(name)}`)
      }
    })
    after(async () => {
      killChildren()
      await database.drop()
      const logins = ['comanda', ...roles.filter(({ login }) => login).map(({ name }) => name)]
      for (const name of logins) await administer(`drop role ${renamed(name)}`)
    })

    /** Starts the container of a workload, with the ports and the database of this machine. */
    async function start(workload: Workload) {
      const env = environmentOf(workload)
      const url = new URL(database.url)
      url.username = renamed(new URL(env['DATABASE_URL'] ?? '').username)
      url.password = ''
      const port = await freePort()
      // Kubernetes replaces $(NAME) by another variable.
      if (env['OPERATIONS_DATABASE_URL'] !== undefined) {
        const operations = new URL(url)
        operations.username = renamed(new URL(env['OPERATIONS_DATABASE_URL']).username)
        operations.password = password
        env['OPERATIONS_DATABASE_URL'] = operations.href
      }
      const own = { HOST: '127.0.0.1', DATABASE_URL: url.href, PGPASSWORD: password }
      const ports = Object.fromEntries(
        ['PORT', 'STATUS_PORT'].filter(name => name in env).map(name => [name, String(port)]),
      )
      return { port, child: startChild(containerOf(workload).command.slice(1), { ...env, ...own, ...ports }) }
    }

    async function expectProbed(workload: Workload): Promise<void> {
      const { child, port } = await start(workload)
      await child.untilOutput(/is ready/)
      const { startupProbe, livenessProbe, readinessProbe } = containerOf(workload)
      for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe]) {
        const response = await fetch(`http://127.0.0.1:${port}${httpGet.path}`)
        expect(response.status, await response.text()).to.equal(200)
      }
    }

    it('migrate, and start processes that answer their probes, also with the operations login', async () => {
      const migrate = await start(workloads.find(({ kind }) => kind === 'Job') as Workload)
      expect(await migrate.child.ended, migrate.child.output() + migrate.child.errors()).to.equal(0)
      await Promise.all(deployments.map(expectProbed))
      await expectProbed(apiWithOperations())
      const login = renamed('comanda_login_operations')
      const pool = await openPool(database.url)
      const connected = await pool.query('select from pg_stat_activity where usename = $1', [login])
      await pool.close()
      expect(connected).to.not.deep.equal([])
    })
  })
})
