import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Database } from '../../src/db/database.ts'
import { readMachine, settingsFor } from '../../src/db/embedded/server-settings.ts'
import { ApiClient } from '../support/api-client.ts'
import { type Child, killChildren, startChild } from '../support/child.ts'
import { expectInvariants } from '../support/invariants.ts'
import { openPool, openTestDatabase } from '../support/system.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until, untilSlowly } from '../support/until.ts'

/** A running `npm start`, without npm. */
interface Running {
  parent: Child
  api: ApiClient
}

interface Readiness {
  status: string | number
  detail?: string
  checks: Record<string, string>
}

describe('npm start on more than one core', () => {
  let url: string
  let database: Database
  let close: () => Promise<void>

  before(async () => {
    ;({ url, database, close } = await openTestDatabase())
  })
  after(async () => {
    killChildren()
    await close()
  })

  async function start(env: Record<string, string> = {}, wrapper: string[] = []): Promise<Running> {
    const parent = spawnAll(env, wrapper)
    await untilSlowly(
      () => `it is ready; it printed ${parent.errors()}`,
      () => /all is ready/.test(parent.output()),
    )
    const [, baseUrl = ''] = /API +(http:\S+)\/api\/v1/.exec(parent.output()) ?? []
    return { parent, api: new ApiClient(baseUrl) }
  }

  function spawnAll(env: Record<string, string> = {}, wrapper: string[] = []): Child {
    const args = ['--import', './src/compile-cache.js', 'src/main.ts', 'all']
    return startChild(args, { DATABASE_URL: url, PORT: '0', ...env }, wrapper)
  }

  async function stop({ parent }: Running): Promise<void> {
    parent.signal('SIGINT')
    expect(await parent.ended, parent.output() + parent.errors()).to.equal(0)
  }

  /** Returns the process ids that the roles report in their heartbeats. */
  async function pidsByRole(sql = database): Promise<Record<string, number>> {
    const rows = await sql.query<{ role: string; pid: number }>(
      `select distinct on (role) role, pid from process_heartbeats order by role, process_id desc`,
    )
    return Object.fromEntries(rows.map(({ role, pid }) => [role, pid]))
  }

  async function pipelinePid(sql = database): Promise<number> {
    const { worker = 0 } = await pidsByRole(sql)
    expect(isAlive(worker)).to.equal(true)
    return worker
  }

  async function addItem({ api }: Running): Promise<() => Promise<string>> {
    const { restaurant_id } = await api.addRestaurant()
    const { menu_item_id } = await api.addItem(restaurant_id, 100_000)
    return async () => (await api.place(restaurant_id, [menu_item_id, 1])).order_id
  }

  describe('while it runs', () => {
    let running: Running
    let place: () => Promise<string>

    before(async () => {
      running = await start({ LOG_FORMAT: 'json' })
      place = await addItem(running)
    })

    it('runs dispatcher and worker in a child process', async () => {
      await running.api.untilStatus(await place(), 'PREPARING')
      const { api, dispatcher, worker } = await pidsByRole()
      expect(api).to.equal(running.parent.pid)
      expect(dispatcher).to.equal(worker).and.not.to.equal(api)
    })

    it('works on when a service manager signals the child process, too', async () => {
      const pid = await pipelinePid()
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(pid, signal)
      await running.api.untilStatus(await place(), 'PREPARING')
      expect(await pipelinePid()).to.equal(pid)
    })

    it('serves the metrics of both processes without colliding series', async () => {
      const { text } = (await running.api.call<{ text: string }>('GET', '/metrics')).body
      for (const sample of [
        /^comanda_order_transitions_total\{status="PLACED"\} 2$/m,
        /^comanda_order_transitions_total\{status="PREPARING",process="pipeline"\} 2$/m,
        /^comanda_db_pool_max_connections\{role="api"\} 10$/m,
        /^comanda_db_pool_max_connections\{role="worker",process="pipeline"\} 9$/m,
        /^nodejs_eventloop_delay_p99_seconds \d/m,
        /^nodejs_eventloop_delay_p99_seconds\{process="pipeline"\} \d/m,
        /^messaging_process_duration_bucket\{/m,
      ])
        expect(text).to.match(sample)
      const lines = text.split('\n').filter(line => line !== '')
      const series = lines.filter(line => !line.startsWith('#')).map(line => line.replace(/ \S+$/, ''))
      expect(series).to.deep.equal([...new Set(series)])
      const families = lines.filter(line => line.startsWith('# TYPE '))
      expect(families).to.deep.equal([...new Set(families)])
    })

    it('serves the readiness checks of both processes, and is not ready while the child hangs', async () => {
      const ready = async () => (await running.api.call<Readiness>('GET', '/readyz')).body
      const names = ['drain', 'database', 'clock', 'migrations', 'queue_schema', 'dispatcher', 'pipeline']
      const ofRoles = ['dispatcher', 'worker'].flatMap(role =>
        ['drain', 'database', 'clock'].map(check => `${role}_${check}`),
      )
      expect(await ready()).to.deep.equal({
        status: 'ready',
        checks: Object.fromEntries([...names, ...ofRoles].map(name => [name, 'ok'])),
      })
      const pid = await pipelinePid()
      process.kill(pid, 'SIGSTOP')
      try {
        const { status, detail, checks } = await ready()
        expect(status).to.equal(503)
        expect(detail).to.contain('pipeline: the process of dispatcher and worker does not answer')
        expect(checks).to.not.have.property('worker_database')
        // Placement and the metrics of the API go on without it.
        await place()
        const { text } = (await running.api.call<{ text: string }>('GET', '/metrics')).body
        expect(text).to.contain('comanda_order_transitions_total{status="PLACED"} 3')
        expect(text).not.to.contain('process="pipeline"')
      } finally {
        process.kill(pid, 'SIGCONT')
      }
      await until('it is ready again', async () => (await ready()).status === 'ready')
    })

    it('ends both with one Ctrl-C, after lines of one format and one banner', async () => {
      const pid = await pipelinePid()
      await stop(running)
      expect(isAlive(pid)).to.equal(false)
      const unstopped = await database.query(
        'select role from process_heartbeats where stopped_at is null and pid in ($1, $2)',
        [running.parent.pid, pid],
      )
      expect(unstopped).to.deep.equal([])
      const output = running.parent.output()
      expect(output.match(/Comanda is running/g)).to.have.length(1)
      const lines = output.split('\n').filter(line => line.startsWith('{'))
      const roles = lines.map(line => (JSON.parse(line) as { role?: string }).role)
      expect(roles).to.include('dispatcher').and.to.include('worker').and.to.include(undefined)
    })
  })

  if (existsSync('/usr/bin/taskset')) {
    it('runs everything in one process where it may use only one core', async () => {
      const [, core = ''] = /Cpus_allowed_list:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
      const running = await start({}, ['taskset', '--cpu-list', core])
      const { api, dispatcher, worker } = await pidsByRole()
      expect([dispatcher, worker]).to.deep.equal([api, api])
      const { checks } = (await running.api.call<Readiness>('GET', '/readyz')).body
      expect(checks).to.include({ worker_database: 'ok' }).and.to.not.have.property('pipeline')
      const place = await addItem(running)
      await running.api.untilStatus(await place(), 'PREPARING')
      await stop(running)
    })
  }

  it('ends the child process when the parent is killed', async () => {
    const running = await start()
    const pid = await pipelinePid()
    running.parent.signal('SIGKILL')
    await until('the child process has ended', () => !isAlive(pid))
  })

  it('ends with one line when the child process dies during the start', async () => {
    const parent = spawnAll()
    process.kill(await untilSlowly('the child process exists', () => childOf(parent.pid)), 'SIGKILL')
    expect(await parent.ended, parent.output()).to.equal(1)
    expect(parent.errors()).to.match(ENDED)
  })

  it('stops everything when the child process is killed, loses nothing, and starts again', async () => {
    const folder = temporaryFolder()
    const env = { DATABASE_URL: '', DATA_DIR: folder }
    const running = await start(env)
    const { parent } = running
    const [, dataFolder = ''] = /embedded PostgreSQL 18 in (\S+)/.exec(parent.output()) ?? []
    const urlFile = join(folder, 'database.url')
    const place = await addItem(running)
    const embedded = await openPool(readFileSync(urlFile, 'utf8').trim())
    const pid = await pipelinePid(embedded)
    const [buffers] = await embedded.query<{ mb: number }>(
      `select setting::integer / 128 as mb from pg_settings where name = 'shared_buffers'`,
    )
    expect(`${buffers?.mb}MB`).to.equal(settingsFor(readMachine(dataFolder))['shared_buffers'])
    await embedded.close()
    const accepted: string[] = []
    // Orders are in every step when the process dies.
    const clients = Array.from({ length: 8 }, async () => {
      for (;;) {
        const orderId = await place().catch(() => undefined)
        if (orderId === undefined) return
        if (accepted.push(orderId) === 200) process.kill(pid, 'SIGKILL')
      }
    })
    expect(await parent.ended, parent.output()).to.equal(1)
    await Promise.all(clients)
    expect(parent.errors()).to.match(ENDED).and.to.contain(`(pid ${pid})`).and.to.contain('(SIGKILL)')
    expect(isAlive(pid)).to.equal(false)
    expect(existsSync(join(dataFolder, 'postmaster.pid'))).to.equal(false)
    expect(existsSync(urlFile)).to.equal(false)

    const second = await start(env)
    const again = await openPool(readFileSync(urlFile, 'utf8').trim())
    await untilSlowly('every accepted order is prepared', async () => {
      const [row] = await again.query<{ prepared: number }>(
        `select count(*)::integer as prepared from orders where order_id = any($1::uuid[]) and status = 'PREPARING'`,
        [accepted],
      )
      return row?.prepared === accepted.length
    })
    await expectInvariants(again)
    await again.close()
    await stop(second)
    rmSync(folder, { recursive: true })
  })
})

const ENDED =
  /^comanda: the process of dispatcher and worker \(pid \d+\) has ended unexpectedly \(\w+\), so everything stops; [^\n]*\n$/

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Returns the first child process of a process. */
function childOf(pid: number): number | undefined {
  const [first] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')
  return first ? Number(first) : undefined
}
