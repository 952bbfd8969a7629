import { expect } from 'chai'
import type { StatsReply } from '../../src/analytics/stats-contract.ts'
import type { Database } from '../../src/db/database.ts'
import { claimPool, startBoss } from '../../src/jobs/boss.ts'
import { ApiClient } from '../support/api-client.ts'
import { quiet } from '../support/log.ts'
import { startApi } from '../support/start-role.ts'
import { StreamClient } from '../support/stream-client.ts'
import { openPool, openTestDatabase, startSystem, type TestSystem, testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'

const ORDER_COUNT = 60
const WAITING_COUNT = 5_000

describe('plans on a fresh database', () => {
  let system: TestSystem

  after(() => system.stop())

  it('never scan a table, even if every table was analyzed while empty', async () => {
    system = await startSystem(['dispatcher', 'worker'])
    const { database, url } = system
    const tables = await database.query<{ name: string }>(
      `select format('%I.%I', schemaname, relname) as name from pg_stat_user_tables
      where schemaname = 'public' and relname <> 'schema_migrations' or relname like 'j%' or relname = 'job_common'`,
    )
    for (const { name } of tables) await database.execute(`vacuum analyze ${name}`)
    await database.query('select pg_stat_reset()')
    const api = await startOnlyApi(url)
    try {
      const { restaurant_id } = await api.client.addRestaurant()
      const item = await api.client.addItem(restaurant_id, ORDER_COUNT - 10)
      const orders = await Promise.all(
        Array.from(
          { length: ORDER_COUNT },
          async () => await placeFor(api.client, 'c', restaurant_id, item.menu_item_id),
        ),
      )
      await until('all orders are decided', async () => {
        const statuses = await Promise.all(orders.map(({ order_id }) => api.client.order(order_id)))
        return statuses.every(({ status }) => status !== 'PLACED')
      })
      await until('the statistics have arrived', async () => {
        const { orders_are_known_by_id = 0 } = await scansByIndex(database)
        return orders_are_known_by_id >= ORDER_COUNT
      })
      await expectWalked(database, [])
      const { order_id = '' } = orders[0] ?? {}
      const streams = [`/api/v1/restaurants/${restaurant_id}/stream`, `/api/v1/orders/${order_id}/stream`]
      for (const path of streams) {
        const stream = await StreamClient.open(api.client.baseUrl + path)
        await stream.untilEvents(1)
        await placeFor(api.client, 'c', restaurant_id, item.menu_item_id)
        await (path.includes('orders') ? api.client.cancel(order_id) : undefined)
        await until('something has happened', () => stream.news.length > 0)
        stream.close()
        const again = await StreamClient.open(api.client.baseUrl + path, {
          'last-event-id': stream.events[0]?.id ?? '',
        })
        await again.untilEvents(1)
        again.close()
      }
      await api.client.call('GET', `/api/v1/orders/${order_id}/timeline`)
      const stats = `/api/v1/restaurants/${restaurant_id}/stats`
      await until('the statistics of the restaurant are there', async () => {
        const { body } = await api.client.call<StatsReply>('GET', stats)
        return body.totals.orders >= ORDER_COUNT
      })
      await expectWalked(database, ['orders_by_restaurant'])
      const walked: string[] = []
      for (const [index, paths] of Object.entries(listsByIndex(restaurant_id))) {
        for (const path of paths) {
          const { body } = await api.client.call<object[]>('GET', `${path}limit=5`)
          expect(body.length, path).to.be.within(1, 5)
        }
        walked.push(index)
        await expectWalked(database, walked)
      }
      for (const path of ['/api/v1/restaurants', `/api/v1/restaurants/${restaurant_id}/menu`]) {
        const { body } = await api.client.call<object[]>('GET', path)
        expect(body, path).to.have.lengthOf(1)
      }
    } finally {
      await api.stop()
    }

    const scans = await until('the statistics have arrived', async () => {
      const rows = await database.query<{ name: string; seq_tup_read: number; idx_scan: number }>(
        `select relname as name, seq_tup_read, idx_scan from pg_stat_user_tables
        where relname in ('orders', 'order_items', 'menu_items', 'restaurants', 'outbox_events', 'stock_movements', 'order_transitions', 'restaurant_quarter_hours') or relname like 'j%' or relname like '%\\_events\\_%'`,
      )
      return rows.some(({ name, idx_scan }) => name === 'orders' && idx_scan >= ORDER_COUNT) && rows
    })
    expect(scans.filter(({ seq_tup_read }) => seq_tup_read > 0)).to.deep.equal([])
  })

  it('never read all jobs of a queue to claim some', async () => {
    const { database, url, close } = await openTestDatabase()
    const claims = await openPool(url, claimPool)
    const boss = await startBoss(database, 'producer', 'test', quiet, claims)
    try {
      // The statement is prepared while the queue is empty.
      for (let call = 0; call < 10; call++) await boss.fetch('order.reject', { batchSize: 10 })
      await boss.insert(
        'order.reject',
        Array.from({ length: WAITING_COUNT }, () => ({})),
      )
      const read = async () => {
        await claims.query('select pg_stat_force_next_flush()')
        const [sum] = await database.query<{ read: number }>(
          `select sum(idx_tup_read)::integer as read from pg_stat_user_indexes
          join pgboss.queue on relname = table_name where name = 'order.reject'`,
        )
        return sum?.read ?? 0
      }
      const before = await read()
      for (let call = 0; call < 10; call++)
        expect(await boss.fetch('order.reject', { batchSize: 10 })).to.have.length(10)
      expect((await read()) - before).to.be.below(WAITING_COUNT)
    } finally {
      await boss.stop({ graceful: false })
      await claims.close()
      await close()
    }
  })
})

/**
 * Expects scans of the list indexes only: with another index, the check of a foreign key would read
 * all orders of a restaurant.
 */
async function expectWalked(database: Database, indexes: string[]): Promise<void> {
  const walked = async () => {
    const scans = await scansByIndex(database)
    return Object.keys(listsByIndex('')).filter(name => scans[name] !== 0)
  }
  await until(`${indexes.join(', ')} walked`, async () => (await walked()).length >= indexes.length)
  expect(await walked()).to.have.members(indexes)
}

async function scansByIndex(database: Database): Promise<Record<string, number>> {
  const rows = await database.query<{ name: string; idx_scan: number }>(
    'select indexrelname as name, idx_scan from pg_stat_user_indexes',
  )
  return Object.fromEntries(rows.map(({ name, idx_scan }) => [name, idx_scan]))
}

async function placeFor(
  client: ApiClient,
  customer_id: string,
  restaurant_id: string,
  menu_item_id: string,
): Promise<{ order_id: string }> {
  const items = [{ menu_item_id, quantity: 1 }]
  const { body } = await client.call<{ order_id: string }>('POST', '/api/v1/orders', {
    restaurant_id,
    items,
    customer_id,
  })
  return body
}

/** Every combination of filters for lists of orders, by the index that serves it. */
function listsByIndex(restaurantId: string): Record<string, string[]> {
  const filters = [
    '',
    'status=PREPARING&',
    'status=PREPARING,CANCELLED&',
    'placed_from=2020-01-01T00:00:00Z&',
  ]
  const orders = (which: string) => filters.map(filter => `/api/v1/orders?${which}${filter}`)
  return {
    orders_by_restaurant: orders(`restaurant_id=${restaurantId}&`),
    orders_by_customer: orders('customer_id=c&'),
    orders_by_status: orders(''),
  }
}

async function startOnlyApi(url: string): Promise<{ client: ApiClient; stop: () => Promise<void> }> {
  const api = await startApi(testConfig, url, quiet)
  return { client: new ApiClient(api.url), stop: () => api.stop(testConfig.SHUTDOWN_TIMEOUT_MS) }
}
