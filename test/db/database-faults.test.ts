import { expect } from 'chai'
import type { Service } from '../../src/processes/service.ts'
import { Proxy } from '../faults/proxy.ts'
import { ApiClient, type Reply } from '../support/api-client.ts'
import { expectInvariants } from '../support/invariants.ts'
import { quiet } from '../support/log.ts'
import { startApi, startDispatcher, startWorker } from '../support/start-role.ts'
import { openTestDatabase, testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'

/** Runs one process of each role behind a proxy to Postgres that can fail. */
describe('a failing database', () => {
  type TestDatabase = Awaited<ReturnType<typeof openTestDatabase>>
  let test: TestDatabase
  let proxy: Proxy
  let port: number
  let api: ApiClient
  let services: Service[]
  let restaurant: string
  let item: string

  before(async () => {
    test = await openTestDatabase()
    const url = new URL(test.url)
    port = Number(url.port)
    proxy = await Proxy.listen(port)
    url.port = String(proxy.port)
    url.hostname = '127.0.0.1'
    const config = { ...testConfig, DATABASE_TIMEOUT_MS: 1_000 }
    const server = await startApi(config, url.href, quiet)
    api = new ApiClient(server.url)
    services = [
      server,
      await startDispatcher(config, url.href, quiet),
      await startWorker(config, url.href, quiet),
    ]
    restaurant = (await api.addRestaurant()).restaurant_id
    item = (await api.addItem(restaurant, 1_000)).menu_item_id
  })
  after(async () => {
    for (const service of services) await service.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    await proxy.close()
    await test.close()
  })
  afterEach(async () => {
    await carriesAnOrderThrough()
    await expectInvariants(test.database)
  })

  const order = () => ({ restaurant_id: restaurant, items: [{ menu_item_id: item, quantity: 1 }] })
  const place = () => api.call('POST', '/api/v1/orders', order())

  function expectComeBackLater({ status, headers, body }: Reply): void {
    expect(status, JSON.stringify(body)).to.equal(503)
    expect(Number(headers.get('retry-after'))).to.be.greaterThan(0)
    expect(headers.get('content-type')).to.match(/^application\/problem\+json/)
  }

  /** Expects that every role works again: a new order becomes PREPARING. */
  async function carriesAnOrderThrough(): Promise<void> {
    const placed = await until('an order is accepted', async () => {
      const reply = await place()
      return reply.status === 202 && reply
    })
    await api.untilStatus(String(placed.body['order_id']), 'PREPARING')
  }

  it('causes 503 with Retry-After while connections are open but no response arrives', async () => {
    proxy.freeze()
    const replies = await Promise.all([
      place(),
      place(),
      api.call('GET', `/api/v1/inventory/${item}`),
      api.call('POST', '/api/v1/inventory/add/restaurant', { name: 'Nowhere' }),
    ])
    expect((await api.call('GET', '/readyz')).status).to.equal(503)
    expect((await api.call('GET', '/healthz')).status).to.equal(200)
    proxy.thaw()
    for (const reply of replies) expectComeBackLater(reply)
  })

  it('causes 503 with Retry-After while connections are refused', async () => {
    proxy.retarget(1)
    proxy.cut()
    for (let call = 0; call < 3; call++) expectComeBackLater(await place())
    proxy.retarget(port)
  })

  it('causes no response worse than 503 when every connection is killed repeatedly', async () => {
    const statuses = new Set<number>()
    for (let round = 0; round < 10; round++) {
      const replies = Promise.all(Array.from({ length: 10 }, place))
      await test.database.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name like 'comanda-%'`,
      )
      for (const reply of await replies) {
        statuses.add(reply.status)
        if (reply.status !== 202) expectComeBackLater(reply)
      }
    }
    expect([...statuses]).to.include(202)
  })

  it('retries an order after a deadlock, and accepts it', async () => {
    const { database } = test
    const patient = await startApi(testConfig, test.url, quiet)
    services.push(patient)
    const other = (await api.addItem(restaurant, 1_000)).menu_item_id
    const lock = 'select 1 from menu_items where menu_item_id = $1 for update'
    const rival = await database.beginTransaction()
    await rival.db.query(lock, [other])
    const items = [item, other].map(menu_item_id => ({ menu_item_id, quantity: 1 }))
    const placed = new ApiClient(patient.url).call('POST', '/api/v1/orders', {
      restaurant_id: restaurant,
      items,
    })
    await until('the order waits for the rival', () => isAnybodyWaiting())
    // Now the rival waits for the order. Postgres aborts the one that has waited longer.
    await rival.db.query(lock, [item])
    await rival.commit()
    expect((await placed).status).to.equal(202)
    await until('the deadlock was counted', async () => {
      const [row] = await database.query<{ deadlocks: number }>(
        'select deadlocks from pg_stat_database where datname = current_database()',
      )
      return row?.deadlocks === 1
    })
  })

  async function isAnybodyWaiting(): Promise<boolean> {
    const waiting = await test.database.query(
      `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return waiting.length > 0
  }
})
