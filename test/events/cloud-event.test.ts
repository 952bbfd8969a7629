import { expect } from 'chai'
import type { Database } from '../../src/db/database.ts'
import { eventTypes } from '../../src/events/catalogue.ts'
import { cloudEventSchema, toCloudEvent } from '../../src/events/cloud-event.ts'
import { type EventOf, exampleOf, newEvent } from '../../src/events/event.ts'
import { sequenceOf, sequenceSql } from '../../src/events/sequence.ts'
import { type OrderStatus, transitions } from '../../src/orders/order.ts'
import { appendEvents } from '../../src/outbox/append-event.ts'
import { orderCode } from '../../src/platform/order-code.ts'
import { addMenu, cancel, deduct, place, prepare, reject, setStatus } from '../support/pipeline.ts'
import { openTestDatabase } from '../support/system.ts'

const PUBLIC_URL = 'https://orders.example.com'

describe('published CloudEvents', () => {
  let database: Database
  let close: () => Promise<void>

  before(async () => {
    ;({ database, close } = await openTestDatabase())
  })
  after(() => close())

  const eventsOf = (orderId: string) =>
    database.query<EventOf>(
      `select event_id, restaurant_id, type, order_id, payload, trace_context
      from outbox_events where order_id = $1 order by event_id`,
      [orderId],
    )

  it('name their order as subject and carry rising sequences along every path of an order', async () => {
    const menu = await addMenu(database, 5)
    const delivered = await place(database, menu)
    await deduct(database, delivered)
    await prepare(database, delivered)
    await setStatus(database, delivered, 'OUT_FOR_DELIVERY')
    await setStatus(database, delivered, 'DELIVERED')
    const sold_out = await place(database, menu, 6)
    await deduct(database, sold_out)
    await reject(database, sold_out)
    const cancelled = await place(database, menu)
    await cancel(database, cancelled)

    const sequences = new Map<string, (string | undefined)[]>()
    for (const orderId of [delivered, sold_out, cancelled]) {
      const events = (await eventsOf(orderId)).map(event => toCloudEvent(event, PUBLIC_URL))
      for (const event of events) {
        expect(cloudEventSchema(event.type).strict().parse(event)).to.deep.equal(event)
        expect(event).to.include({ source: PUBLIC_URL, subject: `orders/${orderId}` })
        expect(event.data).to.have.property('code', orderCode(orderId))
        expect(event.dataschema).to.equal(`${PUBLIC_URL}/schemas/${event.type}.json`)
      }
      sequences.set(
        orderId,
        events.map(({ sequence }) => sequence),
      )
    }
    expect(sequences.get(delivered)).to.deep.equal(['1', '2', '3', '5', '7'])
    expect(sequences.get(sold_out)).to.deep.equal(['1', '2', '3'])
    expect(sequences.get(cancelled)).to.deep.equal(['1', '3'])
  })

  /** Every way that an order can go, by the table of the state machine. */
  function waysFrom(status: OrderStatus): OrderStatus[][] {
    const next: readonly OrderStatus[] = transitions[status]
    return next.length === 0 ? [[]] : next.flatMap(to => waysFrom(to).map(rest => [to, ...rest]))
  }

  it('have the same sequence in SQL and in TypeScript along every path of an order', async () => {
    const menu = await addMenu(database, 1_000)
    const ways = waysFrom('PLACED')
    expect(ways.length).to.equal(4)
    for (const way of ways) {
      const order = await place(database, menu)
      for (const to of way) {
        if (to === 'PREPARING') {
          await deduct(database, order)
          await prepare(database, order)
        } else if (to === 'CANCELLED') await cancel(database, order)
        else await setStatus(database, order, to)
      }
    }
    const soldOut = await place(database, menu, 1_001)
    await deduct(database, soldOut)
    await reject(database, soldOut)
    // The examples stand for the events that no order makes.
    const made = await database.query<{ type: string }>('select distinct type from outbox_events')
    const others = eventTypes.filter(type => !made.some(event => event.type === type))
    await database.transaction(async tx => appendEvents(tx, others.map(exampleOf)))
    const events = await database.query<EventOf & { in_sql: number | null }>(
      `select event_id, restaurant_id, type, order_id, payload, trace_context, ${sequenceSql} as in_sql
      from outbox_events as e`,
    )
    expect(new Set(events.map(({ type }) => type))).to.deep.equal(new Set(eventTypes))
    for (const event of events) expect(event.in_sql, event.type).to.equal(sequenceOf(event) ?? null)
  })

  it('carry the time of their id, and no sequence when they are not about an order', () => {
    const before = Date.now()
    const payload = {
      restaurant_id: '01900000-0000-7000-8000-000000000001',
      menu_item_id: '01900000-0000-7000-8000-000000000002',
      name: 'Pizza',
      available_qty: 1,
      low_stock_threshold: 2,
      at: new Date().toISOString(),
    }
    const event = newEvent('inventory.low_stock.v1', payload, { traceparent: '00-ab-cd-01' })
    const sent = toCloudEvent(event, PUBLIC_URL)
    expect(cloudEventSchema(event.type).strict().parse(sent)).to.deep.equal(sent)
    expect(Date.parse(sent.time)).to.be.within(before, Date.now())
    expect(sent).to.include({ subject: `menu-items/${payload.menu_item_id}`, traceparent: '00-ab-cd-01' })
    expect(sequenceOf(event)).to.equal(undefined)
  })
})
