import { expect } from 'chai'
import type { Database } from '../../src/db/database.ts'
import type { Listener } from '../../src/db/listener.ts'
import { detectPooling } from '../../src/db/pooling.ts'
import { parseConfig } from '../../src/platform/config.ts'
import { openDatabase, type Service } from '../../src/processes/service.ts'
import { ApiClient } from '../support/api-client.ts'
import { killChildren, startChild } from '../support/child.ts'
import { quiet, recordingLog } from '../support/log.ts'
import { hasPgBouncer, type PgBouncer, startPgBouncer } from '../support/pgbouncer.ts'
import { cloneDatabase, type TestDatabase } from '../support/postgres.ts'
import { asRole, processRoles, roles } from '../support/role-logins.ts'
import { startApi, startDispatcher, startRoleProcess, startWorker } from '../support/start-role.ts'

/** Only PgBouncer 1.18 of Debian 12 has been run, not the newer ones with prepared statements. */
describe('PgBouncer', () => {
  // `.ci/run` installs it.
  if (!hasPgBouncer) {
    console.warn('pgbouncer is missing: its tests are not run')
    it('is installed under CI', () => expect(process.env['CI']).to.equal(undefined))
    return
  }

  let database: TestDatabase
  let bouncer: PgBouncer

  before(async () => {
    database = await cloneDatabase()
  })
  after(() => database.drop())
  afterEach(killChildren)

  const logins = () => [database.url, ...roles.map(role => asRole(role, database.url))]

  it('is not detected on a direct connection', async () => {
    expect(await detectPooling(database.url)).to.equal('none')
  })

  describe('in session mode', () => {
    before(async () => {
      bouncer = await startPgBouncer('session', logins())
    })
    after(() => bouncer.stop())

    it('is detected, and every session gets its settings', async () => {
      const url = bouncer.through(database.url)
      expect(await detectPooling(url)).to.equal('session')
      const { log, lines } = recordingLog()
      const pool = await openDatabase(parseConfig({}), url, 'api', 2, log)
      expect(await pool.missingSettings()).to.deep.equal({})
      expect(lines).to.deep.equal([])
      await pool.close()
    })

    it('serves an order from POST to PREPARING, woken by notifications', async () => {
      const url = bouncer.through(database.url)
      const config = parseConfig({ PORT: '0' })
      const services: Service[] = [
        await startWorker(config, url, quiet),
        await startDispatcher(config, url, quiet),
      ]
      const { url: apiUrl, ...api } = await startApi(config, url, quiet)
      services.push(api)
      const client = new ApiClient(apiUrl)
      const { restaurant_id } = await client.addRestaurant()
      const { menu_item_id } = await client.addItem(restaurant_id, 10)
      const { order_id } = await client.place(restaurant_id, [menu_item_id, 1])
      await client.untilStatus(order_id, 'PREPARING')
      for (const service of services.toReversed()) await service.stop(10_000)
    })

    it('passes notifications on', async () => {
      const config = parseConfig({})
      const pool = await openDatabase(config, bouncer.through(database.url), 'api', 2, quiet)
      const listener = await expectNotification(pool)
      await listener.close()
      await pool.close()
    })

    it('migrates', async () => {
      const child = startChild(['src/main.ts', 'migrate'], { DATABASE_URL: bouncer.through(database.url) })
      expect(await child.ended, child.errors()).to.equal(0)
    })

    it('refuses startup parameters of DATABASE_URL with one line that names the setting', async () => {
      const url = `${bouncer.through(asRole('api', database.url))}?options=-c%20search_path%3Dpublic`
      const child = startChild(['src/main.ts', 'api'], { DATABASE_URL: url, PORT: '0' })
      expect(await child.ended).to.equal(1)
      expect(child.errors()).to.match(/^comanda: [^\n]*options[^\n]*ignore_startup_parameters[^\n]*\n$/)
    })
  })

  describe('in transaction mode, without prepared statements', () => {
    before(async () => {
      bouncer = await startPgBouncer('transaction', logins())
    })
    after(() => bouncer.stop())

    for (const role of processRoles) {
      it(`ends ${role} with one line that says what to do`, async () => {
        const child = startRoleProcess(role, bouncer.through(database.url))
        expect(await child.ended, child.output()).to.equal(1)
        expect(child.errors()).to.match(
          /^comanda: DATABASE_URL: [^\n]* transaction mode [^\n]*pool_mode = session[^\n]*\n$/,
        )
      })
    }

    it('ends npm run migrate with one line that says what to do', async () => {
      const child = startChild(['src/main.ts', 'migrate'], { DATABASE_URL: bouncer.through(database.url) })
      expect(await child.ended, child.output()).to.equal(1)
      expect(child.errors()).to.match(/^comanda: DATABASE_URL: [^\n]* transaction mode [^\n]*\n$/)
    })

    it('receives notifications of DATABASE_LISTEN_URL, the address of Postgres itself', async () => {
      const pool = await openDatabase(
        parseConfig({ DATABASE_LISTEN_URL: database.url }),
        database.url,
        'api',
        2,
        quiet,
      )
      const listener = await expectNotification(pool)
      const [session] = await pool.query<{ datname: string }>(
        `select datname from pg_stat_activity where application_name = 'comanda-api-listen'`,
      )
      expect(session?.datname).to.equal(new URL(database.url).pathname.slice(1))
      await listener.close()
      await pool.close()
    })
  })
})

/** Listens on the pool until a notification has arrived. */
async function expectNotification(pool: Database): Promise<Listener> {
  const { promise: received, resolve } = Promise.withResolvers<string>()
  const notify = () => void pool.execute(`notify pooling_test, 'arrived'`)
  const listener = await pool.listen('pooling_test', resolve, notify)
  expect(await received).to.equal('arrived')
  return listener
}
