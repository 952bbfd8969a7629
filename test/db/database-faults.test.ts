import { expect } from 'chai'
import type { Service } from '../../src/processes/service.ts'
import { Proxy } from '../faults/proxy.ts'
import { ApiClient, type Reply } from '../support/api-client.ts'
import { expectInvariants } from '../support/invariants.ts'
import { quiet, recordingLog } from '../support/log.ts'
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
  const { log, lines } = recordingLog()

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
      await startWorker(config, url.href, log),
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
  const menuItem = { name: 'Focaccia', available_qty: 5 }
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
    const read = () => api.call('GET', `/api/v1/inventory/${item}`)
    // One open connection for each of the calls below, which then need not connect.
    await Promise.all(Array.from({ length: 20 }, read))
    proxy.freeze()
    const replies = await Promise.all([
      place(),
      place(),
      read(),
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

  it('causes 503 with Retry-After while Postgres is read-only, and /readyz names the reason', async () => {
    const name = new URL(test.url).pathname.slice(1)
    await test.database.execute(`alter database ${name} set default_transaction_read_only = on`)
    await test.database.execute(
      `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name like 'comanda-%'`,
    )
    for (let call = 0; call < 3; call++) expectComeBackLater(await place())
    const notReady = await until('the process is not ready', async () => {
      const reply = await api.call('GET', '/readyz')
      return reply.status === 503 && reply
    })
    expect(notReady.body['detail']).to.contain(
      'database: the last heartbeat could not be written: it is read-only (25006)',
    )
    expect((await api.call('GET', `/api/v1/inventory/${item}`)).status).to.equal(200)
    // Read-only connections stay open; each is dropped by its first failed write.
    await test.database.execute(`alter database ${name} reset default_transaction_read_only`)
    await until('the process is ready again', async () => (await api.call('GET', '/readyz')).status === 200)
  })

  it('causes 503 with Retry-After when the disk is full, memory is exhausted or I/O fails', async () => {
    for (const code of ['53100', '53200', '53400', '58030']) {
      await whileInsertsFail(code, ['orders', 'menu_items'], async () => {
        expectComeBackLater(await place())
        expectComeBackLater(await api.call('POST', `/api/v1/inventory/add/${restaurant}/item`, menuItem))
      })
    }
  })

  it('quarantines no event while the disk is full', async () => {
    const { database } = test
    const undispatched = 'select event_id from outbox_events where dispatched_at is null and order_id = $1'
    const [jobs] = await database.query<{ table_name: string }>(
      `select format('pgboss.%I', table_name) as table_name from pgboss.queue where name = 'inventory.deduct'`,
    )
    const orderId = await whileInsertsFail('53100', [jobs?.table_name ?? ''], async () => {
      const { order_id } = (await place()).body
      await until('the dispatcher has failed', async () => {
        const [row] = await database.query<{ count: number }>(
          'select last_value as count from failed_inserts',
        )
        return (row?.count ?? 0) > 3
      })
      expect(await database.query(undispatched, [order_id])).to.have.length(1)
      return String(order_id)
    })
    await api.untilStatus(orderId, 'PREPARING')
    const quarantined = await database.query(
      'select error from outbox_events where quarantined_at is not null',
    )
    expect(quarantined).to.deep.equal([])
  })

  /** Runs `work` while inserts into these tables fail with an SQLSTATE. */
  async function whileInsertsFail<T>(code: string, tables: string[], work: () => Promise<T>): Promise<T> {
    const { database } = test
    await database.execute('create sequence failed_inserts')
    await database.execute(
      `create function fail() returns trigger language plpgsql security definer
      as $$ begin perform nextval('failed_inserts'); raise exception using errcode = '${code}'; end $$`,
    )
    try {
      for (const table of tables)
        await database.execute(`create trigger fail before insert on ${table} execute function fail()`)
      return await work()
    } finally {
      await database.execute('drop function fail() cascade')
      await database.execute('drop sequence failed_inserts')
    }
  }

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

  it('costs the jobs of a batch no attempt when the connections are lost and refused while it runs', async () => {
    const { database } = test
    const locked = await database.beginTransaction()
    await locked.db.execute('lock table stock_movements in share mode')
    const { order_id } = (await place()).body
    await until('the worker waits for the lock', async () => {
      const rows = await database.query(
        `select from pg_stat_activity where datname = current_database()
        and application_name = 'comanda-worker' and wait_event_type = 'Lock'`,
      )
      return rows.length > 0
    })
    const before = lines.length
    proxy.retarget(1)
    proxy.cut()
    await until('the worker has noticed', () =>
      lines.slice(before).some(({ msg }) => /lost during a batch/.test(msg)),
    )
    await locked.rollback()
    proxy.retarget(port)
    await api.untilStatus(String(order_id), 'PREPARING')
    const jobs = await database.query(
      `select retry_count from pgboss.job where name = 'inventory.deduct' and data ->> 'order_id' = $1`,
      [order_id],
    )
    expect(jobs).to.deep.equal([{ retry_count: 0 }])
  })

  it('has one effect per Idempotency-Key when the reply to a commit was lost', async () => {
    const text = 'unknown-outcome'
    const { order_id } = (await place()).body
    for (const [path, body, end] of [
      [`/api/v1/inventory/${item}/restock`, { quantity: 7, reason: text }, 'commit'],
      [`/api/v1/orders/${String(order_id)}/cancel`, { reason: text }, 'commit'],
      ['/api/v1/orders', { ...order(), customer_id: text }, text],
    ] as const) {
      const send = () => api.call('POST', path, body, { 'idempotency-key': path })
      proxy.loseReplyTo(text, end)
      const first = await send()
      // Placement repeats its statement by itself.
      if (end === 'commit') expectComeBackLater(first)
      const second = await until('the repeated request is answered', async () => {
        const reply = await send()
        return reply.status < 300 && reply
      })
      expect(second.headers.get('idempotency-replayed'), path).to.equal('true')
    }
    const effects = await test.database.query(
      `select (select count(*) from stock_movements where reason = $1)::integer as restocks,
        (select count(*) from order_transitions where reason = $1)::integer as cancellations,
        (select count(*) from orders where customer_id = $1)::integer as orders`,
      [text],
    )
    expect(effects).to.deep.equal([{ restocks: 1, cancellations: 1, orders: 1 }])
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
