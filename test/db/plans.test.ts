import { expect } from 'chai'
import type { Database } from '../../src/db/database.ts'
import { startApi } from '../../src/processes/api.ts'
import { ApiClient } from '../support/api-client.ts'
import { quiet } from '../support/log.ts'
import { StreamClient } from '../support/stream-client.ts'
import { startSystem, type TestSystem, testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'

const ORDER_COUNT = 60

describe('plans on a fresh database', () => {
  let system: TestSystem

  after(() => system.stop())

  it('never scan a table, although every table was analyzed while it was empty', async () => {
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
      expect(await scansByList(database)).to.deep.equal([])
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
      for (const filter of lists(restaurant_id)) {
        const { body } = await api.client.call<object[]>('GET', `${filter}limit=5`)
        expect(body.length, filter).to.be.within(1, 5)
      }
    } finally {
      await api.stop()
    }

    const scans = await until('the statistics have arrived', async () => {
      const rows = await database.query<{ name: string; seq_tup_read: number; idx_scan: number }>(
        `select relname as name, seq_tup_read, idx_scan from pg_stat_user_tables
        where relname in ('orders', 'order_items', 'menu_items', 'restaurants', 'outbox_events', 'stock_movements') or relname like 'j%'`,
      )
      return rows.some(({ name, idx_scan }) => name === 'orders' && idx_scan >= ORDER_COUNT) && rows
    })
    expect(scans.filter(({ seq_tup_read }) => seq_tup_read > 0)).to.deep.equal([])
  })
})

/** Indexes for lists that something else has walked: a check of a foreign key, for example, would read all of a restaurant. */
async function scansByList(database: Database): Promise<object[]> {
  await until('the statistics have arrived', async () => {
    const [primary] = await database.query<{ idx_scan: number }>(
      `select idx_scan from pg_stat_user_indexes where indexrelname = 'orders_are_known_by_id'`,
    )
    return (primary?.idx_scan ?? 0) >= ORDER_COUNT
  })
  return await database.query(
    `select indexrelname as name, idx_scan from pg_stat_user_indexes
    where indexrelname in ('orders_by_restaurant', 'orders_by_status', 'orders_by_customer')
      and idx_scan > 0`,
  )
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

/** Every way to list, with and without each filter. */
function lists(restaurantId: string): string[] {
  const filters = [
    '',
    'status=PREPARING&',
    'status=PREPARING,CANCELLED&',
    'placed_from=2020-01-01T00:00:00Z&',
  ]
  return [
    ...filters.flatMap(filter => [
      `/api/v1/orders?${filter}`,
      `/api/v1/orders?restaurant_id=${restaurantId}&${filter}`,
      `/api/v1/orders?customer_id=c&${filter}`,
    ]),
    '/api/v1/restaurants?',
    `/api/v1/restaurants/${restaurantId}/menu?`,
  ]
}

async function startOnlyApi(url: string): Promise<{ client: ApiClient; stop: () => Promise<void> }> {
  const api = await startApi(testConfig, url, quiet)
  return { client: new ApiClient(api.url), stop: () => api.stop(testConfig.SHUTDOWN_TIMEOUT_MS) }
}
