import { expect } from 'chai'
import { parseConfig } from '../../src/platform/config.ts'
import { untilMigrated } from '../../src/processes/until-migrated.ts'
import { ApiClient } from '../support/api-client.ts'
import { killChildren, startChild } from '../support/child.ts'
import { freePort } from '../support/free-port.ts'
import { recordingLog } from '../support/log.ts'
import { administer, blankDatabase, cloneDatabase, type TestDatabase } from '../support/postgres.ts'
import { asRole, type ProcessRole, processRoles } from '../support/role-logins.ts'
import { startRoleProcess } from '../support/start-role.ts'
import { openPool } from '../support/system.ts'
import { until } from '../support/until.ts'

/** Processes that start before `npm run migrate` of their version has ended. */
describe('processes on a database without their migrations', () => {
  let database: TestDatabase

  afterEach(async () => {
    killChildren()
    await database.drop()
  })

  async function startProcess(role: ProcessRole) {
    const port = String(await freePort())
    const child = startRoleProcess(role, database.url, { [role === 'api' ? 'PORT' : 'STATUS_PORT']: port })
    await child.untilOutput(/waiting for `npm run migrate`/)
    return { child, client: new ApiClient(`http://127.0.0.1:${port}`) }
  }

  /** Begins to wait in this process. */
  async function wait(role: 'api' | 'worker') {
    const port = String(await freePort())
    const config = parseConfig({ [role === 'api' ? 'PORT' : 'STATUS_PORT']: port })
    const { log, lines } = recordingLog()
    const stopping = new AbortController()
    const isMigrated = untilMigrated(config, asRole(role, database.url), role, log, stopping.signal)
    await until('it waits', () => lines.some(({ msg }) => /waiting for `npm run migrate`/.test(msg)))
    const client = new ApiClient(`http://127.0.0.1:${port}`)
    const detail = async () => (await client.call('GET', '/readyz')).body['detail']
    return { isMigrated, detail, stop: () => stopping.abort() }
  }

  async function execute(sql: string): Promise<void> {
    const pool = await openPool(database.url)
    await pool.execute(sql)
    await pool.close()
  }

  it('wait on an empty database, answer 503 naming the first migration, and work once it is migrated', async () => {
    database = await blankDatabase()
    const waiting = await Promise.all(processRoles.map(startProcess))
    const [{ client: api }] = waiting as [(typeof waiting)[0]]
    const lacks = /^migrations: lacks \w+\d{13}, \d+ more: run `npm run migrate`$/
    for (const { client } of waiting) {
      expect((await client.call('GET', '/healthz')).status).to.equal(200)
      const requests = [
        client.call('GET', '/readyz'),
        client.call('POST', '/api/v1/orders', {}),
        client.call('GET', '/metrics'),
      ]
      for (const { status, headers, body } of await Promise.all(requests)) {
        expect([status, headers.get('retry-after'), body['code']]).to.deep.equal([503, '1', 'not-ready'])
        expect(body['detail']).to.match(lacks)
        expect(body['checks']).to.have.all.keys('migrations')
      }
    }

    const migration = startChild(['src/main.ts', 'migrate'], { DATABASE_URL: database.url })
    expect(await migration.ended, migration.errors()).to.equal(0)
    for (const { child } of waiting) await child.untilOutput(/is ready/)
    expect((await api.call('GET', '/readyz')).status).to.equal(200)
    const { restaurant_id } = await api.addRestaurant()
    const { menu_item_id } = await api.addItem(restaurant_id, 1)
    const { order_id } = await api.place(restaurant_id, [menu_item_id, 1])
    await api.untilStatus(order_id, 'PREPARING')
    for (const { child } of waiting)
      expect(child.output().match(/waiting for `npm run migrate`/g)).to.have.length(1)
  })

  it('exit with 0 on SIGTERM while they wait, also without a port', async () => {
    database = await blankDatabase()
    const child = startRoleProcess('worker', database.url)
    await child.untilOutput(/waiting for `npm run migrate`/)
    child.signal('SIGTERM')
    expect(await child.ended, child.output() + child.errors()).to.equal(0)
  })

  it('wait until the migrations have ended with the grants, and accept a newer schema', async () => {
    database = await cloneDatabase()
    await execute(`
      insert into schema_migrations (timestamp, name)
      values (1999000000000, 'OfTheNextRelease1999000000000')
    `)
    await execute('update schema_migrations set completed_at = null')
    const { isMigrated, detail } = await wait('api')
    expect(await detail()).to.match(/^migrations: is being migrated: /)
    await execute(
      'update schema_migrations set completed_at = clock_timestamp() where timestamp < 1999000000000',
    )
    expect(await isMigrated).to.equal(true)
  })

  it('wait for their queues and their privileges, and name what is missing', async () => {
    database = await cloneDatabase()
    await execute(`update pgboss.queue set policy = 'short' where name = 'order.prepare'`)
    await execute('revoke select on schema_migrations from comanda_api')
    const worker = await wait('worker')
    expect(await worker.detail()).to.match(/^queues: queue order.prepare has the policy short: run/)
    const api = await wait('api')
    expect(await api.detail()).to.match(/^migrations: cannot be read by this login: run/)
    for (const { stop, isMigrated } of [worker, api]) {
      stop()
      expect(await isMigrated).to.equal(false)
    }
  })

  it('wait on while the database is unavailable, and report it', async () => {
    database = await blankDatabase()
    const { isMigrated, detail, stop } = await wait('api')
    const name = new URL(database.url).pathname.slice(1)
    await administer(`alter database ${name} allow_connections false`)
    await administer(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`)
    await until('it reports the database', async () => String(await detail()).startsWith('migrations: it '))
    await administer(`alter database ${name} allow_connections true`)
    await until('it reports the migrations', async () => /lacks/.test(String(await detail())))
    stop()
    expect(await isMigrated).to.equal(false)
  })
})
