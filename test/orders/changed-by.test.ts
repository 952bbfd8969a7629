import { expect } from 'chai'
import { createApiKey } from '../../src/http/auth/api-keys.ts'
import { scopes } from '../../src/platform/caller.ts'
import type { TimelineReply } from '../../src/timeline/timeline-contract.ts'
import { ApiClient } from '../support/api-client.ts'
import { deduct, prepare } from '../support/pipeline.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { until } from '../support/until.ts'

describe('the name of the client that changed an order', () => {
  let system: TestSystem
  let till: ApiClient
  let pass: ApiClient
  let other: ApiClient
  let restaurant_id: string
  let menu_item_id: string

  before(async () => {
    system = await startSystem(['api'], undefined, { AUTH_MODE: 'api-key' })
    const clientNamed = async (name: string) => {
      const { key } = await createApiKey(system.database, { name, scopes: [...scopes] })
      return new ApiClient(system.api.baseUrl, key)
    }
    till = await clientNamed('till-2')
    pass = await clientNamed('pass-1')
    other = await clientNamed('Küche 🍕')
    restaurant_id = (await till.addRestaurant()).restaurant_id
    menu_item_id = (await till.addItem(restaurant_id, 1_000)).menu_item_id
  })
  after(() => system.stop())

  async function prepared(): Promise<string> {
    const { order_id } = await till.place(restaurant_id, [menu_item_id, 1])
    await deduct(system.database, order_id)
    await prepare(system.database, order_id)
    return order_id
  }

  it('is shown in the order, its timeline and the view for operators, and in no event', async () => {
    const order = await prepared()
    await pass.call('PUT', `/api/v1/orders/${order}/ready`)
    await other.call('DELETE', `/api/v1/orders/${order}/ready`)
    await pass.setStatus(order, 'OUT_FOR_DELIVERY')
    await till.cancel(order)
    const names = ['till-2', null, 'pass-1', 'Küche 🍕', 'pass-1', 'till-2']
    expect((await till.order(order)).timeline.map(({ by }) => by)).to.deep.equal(names)
    const { body } = await till.call<TimelineReply>('GET', `/api/v1/orders/${order}/timeline`)
    expect(body.transitions.map(({ by }) => by)).to.deep.equal(names)
    const view = await system.database.query<{ by: string | null }>(
      `select details ->> 'by' as by from ops.order_timeline
      where order_id = $1 and kind = 'TRANSITION' order by (details ->> 'seq')::integer`,
      [order],
    )
    expect(view.map(({ by }) => by)).to.deep.equal(names)
    const [events] = await system.database.query<{ texts: string }>(
      'select string_agg(payload::text, $2) as texts from outbox_events where order_id = $1',
      [order, ' '],
    )
    for (const name of ['till-2', 'pass-1', 'Küche']) expect(events?.texts).not.to.include(name)
  })

  it('is kept for each order of a batch, with and without an idempotency key', async () => {
    const clients = [till, pass, other]
    const orders = await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        const client = clients[index % 3] ?? till
        const key: Record<string, string> = index % 2 ? { 'idempotency-key': `batch-${index}` } : {}
        const body = { restaurant_id, items: [{ menu_item_id, quantity: 1 }] }
        return (await client.call('POST', '/api/v1/orders', body, key)).body['order_id']
      }),
    )
    const names = await Promise.all(
      orders.map(async order => (await till.order(String(order))).timeline.map(({ by }) => by)),
    )
    expect(names).to.deep.equal(orders.map((_, index) => [['till-2', 'pass-1', 'Küche 🍕'][index % 3]]))
  })

  it('is the changed_by of a 409, also when the request waited for that change', async () => {
    const order = await prepared()
    const path = `/api/v1/orders/${order}`
    const gate = await system.database.beginTransaction()
    await gate.db.query('select 1 from orders where order_id = $1 for update', [order])
    const waiting = (count: number) =>
      until(`${count} requests wait for the lock`, async () => {
        const rows = await system.database.query(
          `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        )
        return rows.length === count
      })
    const first = other.call('PATCH', `${path}/status`, { status: 'OUT_FOR_DELIVERY' })
    await waiting(1)
    const second = pass.call('PUT', `${path}/ready`)
    await waiting(2)
    await gate.rollback()
    expect((await first).status).to.equal(200)
    const late = await second
    expect(late.status).to.equal(409)
    expect(late.body).to.include({
      code: 'order-not-preparing',
      current_status: 'OUT_FOR_DELIVERY',
      changed_by: 'Küche 🍕',
    })
    await pass.setStatus(order, 'DELIVERED')
    const cancelled = await till.call('POST', `${path}/cancel`)
    expect(cancelled.body).to.include({ code: 'illegal-transition', changed_by: 'pass-1' })
    const { order_id } = await till.place(restaurant_id, [menu_item_id, 1])
    const early = await pass.call('PATCH', `/api/v1/orders/${order_id}/status`, { status: 'PREPARING' })
    expect(early.body).to.include({ code: 'inventory-pending', changed_by: 'till-2' })
  })
})
