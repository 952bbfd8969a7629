import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { parse } from 'yaml'
import { parseConfig } from '../../src/platform/config.ts'
import { configGroups } from '../../src/platform/config-variables.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const FILE = join(ROOT, 'deploy', 'compose.ha.yml')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

interface ComposeService {
  command?: string[]
  environment?: Record<string, string | number>
  scale?: number
  volumes?: string[]
  stop_grace_period?: string
}

const servicesOf = (file: string) =>
  (parse(read(file), { merge: true }) as { services: Record<string, ComposeService> }).services
const services = servicesOf('deploy/compose.ha.yml')
const simple = servicesOf('docker-compose.yml')
const processes = ['api', 'dispatcher', 'consumer'] as const
const haproxy = read('deploy/haproxy.cfg')
const patroni = parse(read('deploy/patroni/patroni.yml')) as {
  bootstrap: {
    dcs: {
      ttl: number
      loop_wait: number
      retry_timeout: number
      postgresql: { parameters: Record<string, number> }
    }
  }
}

/** The names of the classic program and of the plug-in. */
const compose = [['docker-compose'], ['docker', 'compose']].find(
  ([program = '', ...words]) => spawnSync(program, [...words, 'version']).status === 0,
)

describe('deploy/compose.ha.yml', () => {
  it('runs each process as docker-compose.yml does, twice, with its own login', () => {
    for (const name of processes) {
      const { command, scale, volumes } = services[name] ?? {}
      expect(command).to.deep.equal(simple[name]?.command)
      expect(scale).to.equal(2)
      expect(volumes).to.deep.equal(simple[name]?.volumes)
    }
    for (const name of ['migrate', 'logins', 'operator'])
      expect(services[name]?.command).to.deep.equal(simple[name]?.command)
  })

  it('starts a status server for the health check of the image, as docker-compose.yml does', () => {
    for (const each of [services, simple])
      for (const name of ['dispatcher', 'consumer'])
        expect(each[name]?.environment, name).to.include({ STATUS_PORT: 9000, HOST: '127.0.0.1' })
  })

  it('sets only variables that exist, and lets each process drain before it is killed', () => {
    const known = Object.values(configGroups).flatMap(group => Object.keys(group))
    for (const name of [...processes, 'migrate', 'operator']) {
      const names = Object.keys(services[name]?.environment ?? {})
      expect(names.filter(each => !known.includes(each) && each !== 'PGPASSWORD')).to.deep.equal([])
    }
    for (const name of processes) {
      const { environment = {}, stop_grace_period = '' } = services[name] ?? {}
      const { DRAIN_DELAY_MS, SHUTDOWN_TIMEOUT_MS } = parseConfig({
        DRAIN_DELAY_MS: String(environment['DRAIN_DELAY_MS']),
        SHUTDOWN_TIMEOUT_MS: String(environment['SHUTDOWN_TIMEOUT_MS']),
      })
      expect(Number.parseInt(stop_grace_period, 10) * 1_000).to.be.above(
        DRAIN_DELAY_MS + SHUTDOWN_TIMEOUT_MS + 1_000,
      )
      const [, checkSeconds] = /server-template .* inter (\d+)s/.exec(haproxy) ?? []
      expect(DRAIN_DELAY_MS).to.be.above(2_000 * Number(checkSeconds))
    }
  })

  it('has the servers that haproxy.cfg names, as many times', () => {
    for (const [, name = '', host] of haproxy.matchAll(/^ +server (\S+) ([\w-]+):5432/gm)) {
      expect(host).to.equal(name)
      expect(services).to.have.property(name)
    }
    const [, count, host = ''] = /server-template api (\d+) ([\w-]+):8000/.exec(haproxy) ?? []
    expect(services[host]?.scale).to.equal(Number(count))
    expect(haproxy).to.contain('on-marked-down shutdown-sessions')
  })

  it('has times with which Patroni can keep its lock, and enough connections for all processes', () => {
    const { ttl, loop_wait, retry_timeout, postgresql } = patroni.bootstrap.dcs
    expect(ttl).to.be.at.least(loop_wait + 2 * retry_timeout)
    const { API_POOL_COUNT, DISPATCHER_POOL_COUNT, WORKER_POOL_COUNT } = parseConfig({})
    const OPERATORS = 20
    expect(postgresql.parameters['max_connections']).to.be.at.least(
      2 * (API_POOL_COUNT + 1 + DISPATCHER_POOL_COUNT + 1 + WORKER_POOL_COUNT + 2) + OPERATORS,
    )
  })

  if (!compose) {
    console.warn('docker-compose is missing: deploy/compose.ha.yml is not read by it')
    it('is read by docker-compose under CI', () => expect(process.env['CI']).to.equal(undefined))
    return
  }

  it('is accepted by docker-compose with the two passwords, and refused without one', () => {
    const [program = '', ...words] = compose
    const passwords = { POSTGRES_PASSWORD: 'one', REPLICATION_PASSWORD: 'two' }
    const config = (env: Record<string, string>) =>
      spawnSync(program, [...words, '-f', FILE, 'config'], {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], ...env },
      })
    const accepted = config(passwords)
    expect(accepted.status, accepted.stderr).to.equal(0)
    const read = parse(accepted.stdout) as { services: object }
    expect(Object.keys(read.services)).to.include.members(['etcd1', 'postgres3', 'haproxy', 'consumer'])
    expect(config({ POSTGRES_PASSWORD: 'one' }).stderr).to.contain('REPLICATION_PASSWORD')
  })
})
