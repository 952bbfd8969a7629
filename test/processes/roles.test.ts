import { mkdtempSync, rmSync } from 'node:fs'
import { constants, getPriority, setPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { ApiClient } from '../support/api-client.ts'
import { type Child, killChildren, startChild } from '../support/child.ts'
import { administer, blankDatabase, type TestDatabase } from '../support/postgres.ts'
import { type ProcessRole, processRoles } from '../support/role-logins.ts'
import { startRoleProcess } from '../support/start-role.ts'

describe('role processes', () => {
  let database: TestDatabase

  before(async () => {
    database = await blankDatabase()
  })
  afterEach(killChildren)
  after(() => database.drop())

  const start = (role: ProcessRole, env?: Record<string, string>) => startRoleProcess(role, database.url, env)
  /** Migrates as the owner of the database. */
  const migrate = () => startChild(['src/main.ts', 'migrate'], { DATABASE_URL: database.url })

  async function stop(child: Child, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    child.signal(signal)
    expect(await child.ended, child.output() + child.errors()).to.equal(0)
  }

  for (const role of processRoles) {
    it(`${role} refuses to start without DATABASE_URL`, async () => {
      const child = start(role, { DATABASE_URL: '' })
      expect(await child.ended).to.equal(1)
      expect(child.errors()).to.match(/^comanda: DATABASE_URL: [^\n]*\n$/)
    })
  }

  it('cache compiled code, so that the next start loads no compiler', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'comanda-test-compiled-'))
    const compilers = async () => {
      const args = ['--import', './src/compile-cache.js', '--trace-wasm-compilation-times']
      const child = startChild([...args, 'src/main.ts', 'api'], {
        DATABASE_URL: '',
        NODE_COMPILE_CACHE: folder,
      })
      expect(await child.ended).to.equal(1)
      return child.output()
    }
    expect(await compilers()).not.to.equal('')
    expect(await compilers()).to.equal('')
    rmSync(folder, { recursive: true })
  })

  it('wait for an unreachable database, and exit with one line if it stays unreachable', async () => {
    const child = start('api', {
      DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
      DATABASE_WAIT_MS: '800',
    })
    expect(await child.ended).to.equal(1)
    expect(child.output().match(/the database is unavailable; waiting for it/g)).to.have.length(1)
    expect(child.errors()).to.match(
      /^comanda: cannot reach the database in DATABASE_URL: [^\n]*ECONNREFUSED[^\n]*\n$/,
    )
    const migration = startChild(['src/main.ts', 'migrate'], {
      DATABASE_URL: 'postgres://nobody@database.invalid/none',
      DATABASE_WAIT_MS: '800',
    })
    await migration.untilOutput(/the database is unavailable; waiting for it/)
    expect(await migration.ended).to.equal(1)
    expect(migration.errors()).to.match(/^comanda: cannot reach the database in DATABASE_URL: [^\n]*\n$/)
  })

  it('exit at once with one line if Postgres rejects the login or has no such database', async () => {
    const refused: [change: (url: URL) => void, message: RegExp][] = [
      [url => (url.password = 'wrong'), /^comanda: Postgres rejected the login in DATABASE_URL: [^\n]*\n$/],
      [url => (url.pathname = '/none'), /^comanda: the database in DATABASE_URL does not exist: [^\n]*\n$/],
    ]
    for (const [change, message] of refused) {
      const url = new URL(database.url)
      change(url)
      const env = { DATABASE_URL: url.href, DATABASE_WAIT_MS: '600000', PORT: '0' }
      const children = ['api', 'migrate', 'all'].map(role => startChild(['src/main.ts', role], env))
      for (const child of children) {
        expect(await child.ended).to.equal(1)
        expect(child.errors()).to.match(message)
      }
    }
  })

  it('print one line for an invalid variable and for an unknown role', async () => {
    const wrong = start('api', { LOG_LEVEL: 'loud' })
    expect(await wrong.ended).to.equal(1)
    expect(wrong.errors()).to.match(/^comanda: LOG_LEVEL: [^\n]*\n$/)
    const unknown = startChild(['src/main.ts', 'cook'])
    expect(await unknown.ended).to.equal(1)
    expect(unknown.errors()).to.match(
      /^comanda: unknown role cook: use all, api, dispatcher, worker or migrate\n$/,
    )
  })

  it('wait for a read-only database until it accepts writes', async () => {
    const name = new URL(database.url).pathname.slice(1)
    const migration = migrate()
    expect(await migration.ended, migration.errors()).to.equal(0)
    await administer(`alter database ${name} set default_transaction_read_only = on`)
    const children = processRoles.map(role => start(role, { DATABASE_WAIT_MS: '60000' }))
    for (const child of children) await child.untilOutput(/"reason":"it is read-only \(25006\)"/)
    await administer(`alter database ${name} reset default_transaction_read_only`)
    for (const child of children) {
      await child.untilOutput(/is ready/)
      await stop(child)
    }
  })

  it('run at a lower priority than the API, and never raise the priority they were started with', async () => {
    const { PRIORITY_LOW, PRIORITY_BELOW_NORMAL } = constants.priority
    const migration = migrate()
    expect(await migration.ended, migration.errors()).to.equal(0)
    const [dispatcher, worker] = [start('dispatcher'), start('worker')]
    setPriority(worker.pid, PRIORITY_LOW)
    await dispatcher.untilOutput(/is ready/)
    await worker.untilOutput(/is ready/)
    expect(getPriority(dispatcher.pid)).to.equal(Math.max(getPriority(), PRIORITY_BELOW_NORMAL))
    expect(getPriority(worker.pid)).to.equal(PRIORITY_LOW)
    for (const child of [dispatcher, worker]) await stop(child)
  })

  it('process an order, log each step, and exit with 0 on SIGTERM', async () => {
    const migration = migrate()
    expect(await migration.ended, migration.errors()).to.equal(0)
    const [api, dispatcher, worker] = [start('api'), start('dispatcher'), start('worker')]
    const [, url = ''] = await api.untilOutput(/"url":"(http:[^"]+)"/)
    await dispatcher.untilOutput(/is ready/)
    await worker.untilOutput(/is ready/)

    const client = new ApiClient(url)
    const { restaurant_id } = await client.addRestaurant()
    const { menu_item_id } = await client.addItem(restaurant_id, 10)
    const body = { restaurant_id, items: [{ menu_item_id, quantity: 1 }] }
    const placed = await client.call<{ order_id: string }>('POST', '/api/v1/orders', body, {
      'x-request-id': 'dinner-1',
    })
    await client.untilStatus(placed.body.order_id, 'PREPARING')

    const step = (line: string) =>
      new RegExp(`"msg":"${line}.*"order_id":"${placed.body.order_id}".*"request_id":"dinner-1"`)
    await dispatcher.untilOutput(step('order.placed.v1: dispatched'))
    await worker.untilOutput(step('inventory.deduct: stock deducted'))
    await worker.untilOutput(step('inventory.deducted.success.v1: dispatched'))
    await worker.untilOutput(step('order.prepare: PLACED → PREPARING'))
    for (const child of [api, dispatcher, worker]) {
      await stop(child)
      for (const line of child.output().trimEnd().split('\n'))
        expect(line).to.match(/^\{"time":"[^"]+","level":"\w+","msg":"/)
    }
  })
})
