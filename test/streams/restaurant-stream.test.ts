import { expect } from 'chai'
import { SeededRandom } from '../../scripts/support/seeded-random.ts'
import { type EventOf, newEvent } from '../../src/events/event.ts'
import { Cursors } from '../../src/http/cursor.ts'
import { placeOrders } from '../../src/orders/place-order.ts'
import { appendEvents } from '../../src/outbox/append-event.ts'
import { newId } from '../../src/platform/ids.ts'
import { newIdInSlotOf } from '../../src/platform/slots.ts'
import type { Service } from '../../src/processes/service.ts'
import type { RestaurantSnapshot } from '../../src/streams/restaurant-snapshot-contract.ts'
import { quiet } from '../support/log.ts'
import {
  addMenu,
  cancel,
  deduct,
  type Menu,
  place,
  prepare,
  setReady,
  setStatus,
} from '../support/pipeline.ts'
import { startApi } from '../support/start-role.ts'
import { StreamClient, type StreamEvent } from '../support/stream-client.ts'
import { openTestDatabase, testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'

const DAY_MS = 86_400_000
/** How often a client comes back. */
const CONNECTION_COUNT = 100
/** Events that are written before the client has seen those before them. */
const LEAD_COUNT = 20

describe('the stream of a restaurant', () => {
  let test: Awaited<ReturnType<typeof openTestDatabase>>
  /** two processes: it must not matter which one a client is connected to */
  const services: Service[] = []
  const urls: string[] = []
  let menu: Menu
  const clients: StreamClient[] = []

  before(async () => {
    test = await openTestDatabase()
    for (let count = 0; count < 2; count++) {
      const api = await startApi(testConfig, test.url, quiet)
      services.push(api)
      urls.push(api.url)
    }
  })
  beforeEach(async () => {
    menu = await addMenu(test.database, 100_000)
  })
  afterEach(() => {
    for (const client of clients.splice(0)) client.close()
  })
  after(async () => {
    for (const service of services) await service.stop(1_000)
    await test.close()
  })

  async function follow(lastEventId?: string, process = 0, query = ''): Promise<StreamClient> {
    const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId }
    const url = `${urls[process]}/api/v1/restaurants/${menu.restaurant_id}/stream${query}`
    const client = await StreamClient.open(url, headers)
    clients.push(client)
    return client
  }

  function lowStock(): EventOf {
    const { restaurant_id } = menu
    const low = { menu_item_id: newId(), name: 'P', available_qty: 1, low_stock_threshold: 2 }
    return newEvent('inventory.low_stock.v1', { restaurant_id, ...low, at: '2026-11-22T18:30:00.000Z' }, {})
  }

  /** All in one transaction: one look finds them together. */
  async function append(count: number): Promise<string[]> {
    const events = Array.from({ length: count }, lowStock)
    await test.database.transaction(async tx => appendEvents(tx, events))
    return events.map(({ event_id }) => event_id)
  }

  const eventIds = (events: readonly StreamEvent[]) => events.map(({ data }) => String(data['id']))

  it('starts with the restaurant and its open orders and then sends only its own events', async () => {
    const open = [await place(test.database, menu), await place(test.database, menu)]
    const cancelled = await place(test.database, menu)
    await cancel(test.database, cancelled)
    const client = await follow()
    const [snapshot] = await client.untilEvents(1)
    expect(snapshot?.event).to.equal('snapshot')
    const { restaurant, open_orders, has_more_open_orders } = (snapshot?.data ?? {}) as {
      restaurant: object
      open_orders: { order_id: string; items: object[]; timeline: object[] }[]
      has_more_open_orders: boolean
    }
    expect(restaurant).to.include({ restaurant_id: menu.restaurant_id, name: 'Trattoria' })
    expect(open_orders.map(({ order_id }) => order_id)).to.deep.equal(open)
    expect(open_orders[0]?.items).to.have.lengthOf(1)
    expect(has_more_open_orders).to.equal(false)

    await place(test.database, await addMenu(test.database, 10))
    await deduct(test.database, open[0] ?? '')
    await prepare(test.database, open[0] ?? '')
    await append(1)
    const placed = await place(test.database, menu)
    await client.untilEvents(5)
    expect(client.news.map(({ event }) => event)).to.deep.equal([
      'inventory.deducted.success.v1',
      'order.status.preparing.v1',
      'inventory.low_stock.v1',
      'order.placed.v1',
    ])
    expect(client.events.at(-1)?.data).to.include({ subject: `orders/${placed}` })
  })

  /** Places orders with notes, as many at a time as one statement takes. @returns the ids */
  async function placeMany(count: number): Promise<string[]> {
    const { restaurant_id, menu_item_ids } = menu
    const items = menu_item_ids.map(menu_item_id => ({ menu_item_id, quantity: 1 }))
    const ids: string[] = []
    for (let placed = 0; placed < count; placed += 100) {
      const batch = Array.from({ length: Math.min(100, count - placed) }, () => newIdInSlotOf(restaurant_id))
      const requests = batch.map(order_id => ({ order_id, restaurant_id, items, notes: order_id, trace: {} }))
      await placeOrders(test.database, requests)
      ids.push(...batch)
    }
    return ids
  }

  /** Returns the parts of the snapshot that a stream begins with. */
  async function snapshotOf(client: StreamClient): Promise<RestaurantSnapshot[]> {
    const [first] = await client.untilEvents(1)
    await client.untilEvents(Number(first?.data['part_count']))
    return client.events
      .filter(({ event }) => event === 'snapshot')
      .map(({ data }) => data as unknown as RestaurantSnapshot)
  }
  const ordersIn = (parts: readonly RestaurantSnapshot[]) => parts.flatMap(({ open_orders }) => open_orders)

  it('has the oldest 1,000 open orders, oldest first, in parts of 100 of which only the last has an id', async () => {
    const ids = await placeMany(1_005)
    const [late = '', older = ''] = ids
    for (const order of [late, older]) {
      await deduct(test.database, order)
      await prepare(test.database, order)
    }
    await setReady(test.database, late)
    await setStatus(test.database, older, 'OUT_FOR_DELIVERY')
    const gone = ids.splice(2, 1)
    await cancel(test.database, gone[0] ?? '')
    const client = await follow()
    const parts = await snapshotOf(client)
    expect(parts.map(({ part, part_count }) => [part, part_count])).to.deep.equal(
      Array.from({ length: 10 }, (_, index) => [index + 1, 10]),
    )
    for (const { restaurant, open_orders, has_more_open_orders } of parts) {
      expect(restaurant.restaurant_id).to.equal(menu.restaurant_id)
      expect([open_orders.length, has_more_open_orders]).to.deep.equal([100, true])
    }
    expect(client.events.map(({ id }) => id !== '')).to.deep.equal([
      ...Array.from({ length: 9 }, () => false),
      true,
    ])
    const orders = ordersIn(parts)
    expect(orders.map(({ order_id }) => order_id)).to.deep.equal(ids.slice(0, 1_000))
    expect(orders.map(({ notes }) => notes)).to.deep.equal(ids.slice(0, 1_000))
    expect(orders.every(({ items }) => items.length === 1)).to.equal(true)
    expect(orders[0]).to.include({ status: 'PREPARING' }).and.have.property('ready_at').that.is.a('string')
    expect(orders[1]).to.include({ status: 'OUT_FOR_DELIVERY', ready_at: null })

    const [event] = await append(1)
    await client.untilEvents(11)
    const resumed = await follow(client.events[9]?.id)
    await resumed.untilEvents(1)
    for (const { news } of [client, resumed]) expect(eventIds(news)).to.deep.equal([event])
  })

  it('has one part for up to 100 orders, and none without orders', async () => {
    const countParts = async () => {
      const client = await follow()
      const parts = await snapshotOf(client)
      expect(parts.some(({ has_more_open_orders }) => has_more_open_orders)).to.equal(false)
      expect(client.lastId).to.be.a('string')
      return parts.map(({ open_orders }) => open_orders.length)
    }
    expect(await countParts()).to.deep.equal([0])
    await placeMany(100)
    expect(await countParts()).to.deep.equal([100])
    await placeMany(1)
    expect(await countParts()).to.deep.equal([100, 1])
  })

  it('filters the orders of the snapshot by status, and no event', async () => {
    const [placed = '', preparing = '', out = ''] = await placeMany(3)
    for (const order of [preparing, out]) {
      await deduct(test.database, order)
      await prepare(test.database, order)
    }
    await setStatus(test.database, out, 'OUT_FOR_DELIVERY')
    for (const [query, expected] of [
      ['?status=PREPARING', [preparing]],
      ['?status=PREPARING,OUT_FOR_DELIVERY', [preparing, out]],
      ['?status=OUT_FOR_DELIVERY&status=PLACED&status=PLACED', [placed, out]],
    ] as const) {
      const client = await follow(undefined, 0, query)
      const parts = await snapshotOf(client)
      expect(
        ordersIn(parts).map(({ order_id }) => order_id),
        query,
      ).to.deep.equal(expected)
      const [event] = await append(1)
      await client.untilEvents(2)
      expect(eventIds(client.news)).to.deep.equal([event])
    }
    const client = await follow(undefined, 0, '?status=OUT_FOR_DELIVERY')
    await client.untilEvents(1)
    await setReady(test.database, preparing)
    await client.untilEvents(2)
    expect(client.news.map(({ event }) => event)).to.deep.equal(['order.ready.v1'])
    for (const bad of ['DELIVERED', 'CANCELLED', 'placed', '', 'PLACED,PLACED,PLACED,PLACED'])
      expect(await follow(undefined, 0, `?status=${bad}`).catch(String), bad).to.match(/400 .*query-invalid/)
  })

  it('resumes after any event, also within a batch, at either process', async () => {
    const client = await follow()
    await client.untilEvents(1)
    await append(5)
    const order = await place(test.database, menu)
    await client.untilEvents(7)
    await append(3)
    await deduct(test.database, order)
    await client.untilEvents(11)
    const ids = eventIds(client.events)
    expect(new Set(ids).size).to.equal(11)
    for (const [index, { id }] of client.events.entries()) {
      const again = await follow(id, index % 2)
      await again.untilEvents(10 - index)
      expect(eventIds(again.events)).to.deep.equal(ids.slice(index + 1))
      again.close()
    }
  })

  it('loses no event that commits late, while connected or after a reconnect', async () => {
    const staying = await follow()
    const leaving = await follow()
    for (const client of [staying, leaving]) await client.untilEvents(1)
    const held = lowStock()
    const open = await test.database.beginTransaction()
    appendEvents(open.db, [held])
    await open.db.flush()
    const idle = setInterval(() => void open.db.query('select 1'), 500)
    const [later] = await append(1)
    for (const client of [staying, leaving]) await client.untilEvents(2)
    leaving.close()
    clearInterval(idle)
    await open.commit()
    await staying.untilEvents(3)
    const back = await follow(leaving.lastId, 1)
    await back.untilEvents(1)
    expect(eventIds(staying.news)).to.deep.equal([later, held.event_id])
    expect(eventIds(back.events)).to.deep.equal([held.event_id])
  })

  it('receives events when every NOTIFY is lost and after its listener was killed', async () => {
    const client = await follow()
    await client.untilEvents(1)
    // Nobody notifies of what is written here.
    const first = await append(1)
    await client.untilEvents(2)
    const killed = `select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'comanda-api-listen' and datname = current_database()`
    await until('it has been killed', async () => (await test.database.query(killed)).length > 0)
    const second = await append(1)
    await client.untilEvents(3)
    expect(eventIds(client.news)).to.deep.equal([...first, ...second])
  })

  it('sends each event once and in order to a client that reconnects a hundred times', async () => {
    const seen: StreamEvent[] = []
    const first = await follow()
    await first.untilEvents(1)
    first.close()
    const written: string[] = []
    let connections = 0
    const isEnough = () => connections >= CONNECTION_COUNT
    // As many at a time as one connection may see, and only while there is somebody to see them: it
    // is never without.
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let count = 0; !isEnough(); count++) {
        await until('the client has caught up', () => isEnough() || written.length < seen.length + LEAD_COUNT)
        if (writer === 0) written.push(...(await append(3)))
        else {
          const order = await place(test.database, menu)
          await deduct(test.database, order)
          await (count % 2 ? cancel(test.database, order) : prepare(test.database, order))
          const rows = await test.database.query<{ event_id: string }>(
            'select event_id from outbox_events where order_id = $1',
            [order],
          )
          written.push(...rows.map(({ event_id }) => event_id))
        }
      }
    })
    const finished = Promise.all(writers)
    const random = new SeededRandom(1, 'connections')
    let { lastId } = first
    async function connect(enough: () => number): Promise<void> {
      const client = await follow(lastId, random.integer(0, 1))
      await until('it has seen enough', () => client.news.length >= enough())
      client.close()
      await until('it has gone', () => !client.isOpen)
      seen.push(...client.news)
      lastId = client.lastId
    }
    for (; !isEnough(); connections++) {
      const count = random.integer(0, 3)
      await connect(() => count)
    }
    await finished
    await connect(() => written.length - seen.length)
    const rows = await test.database.query<{ event_id: string }>(
      'select event_id from outbox_events where restaurant_id = $1 order by event_id',
      [menu.restaurant_id],
    )
    expect(eventIds(seen).sort()).to.deep.equal(rows.map(({ event_id }) => event_id))
    expect(eventIds(seen)).to.include.members(written)
    const ofOrders = seen.filter(({ data }) => data['sequence'] !== undefined)
    for (const its of Map.groupBy(ofOrders, ({ data }) => data['subject']).values()) {
      const sequences = its.map(({ data }) => Number(data['sequence']))
      expect(sequences).to.deep.equal(sequences.toSorted((a, b) => a - b))
    }
  })

  it('sends thousands of missed events, and a snapshot to a client that missed too many', async () => {
    const client = await follow()
    const [snapshot] = await client.untilEvents(1)
    client.close()
    const many = `insert into outbox_events (event_id, restaurant_id, type, payload)
      select uuidv7(), $1, 'inventory.low_stock.v1', jsonb_build_object('menu_item_id', $1::uuid, 'n', n)
      from generate_series(1, $2::integer) as n`
    await test.database.execute(many, [menu.restaurant_id, 6_000])
    const back = await follow(snapshot?.id)
    await back.untilEvents(6_000)
    await append(1)
    await back.untilEvents(6_001)
    expect(new Set(eventIds(back.news)).size).to.equal(6_001)
    await test.database.execute(many, [menu.restaurant_id, 5_000])
    const late = await follow(snapshot?.id)
    expect((await late.untilEvents(1))[0]?.event).to.equal('snapshot')
  })

  it('refuses a malformed resume point and one of another restaurant', async () => {
    const client = await follow()
    await client.untilEvents(1)
    const { lastId = '' } = client
    menu = await addMenu(test.database, 1)
    for (const bad of ['x', '1', lastId, lastId.slice(1), `${lastId}A`, 'A'.repeat(8_000)])
      expect(await follow(bad).catch(String)).to.match(/400 .*resume-point-invalid/)
  })

  it('starts with a snapshot when events after the resume point may have been pruned', async () => {
    const client = await follow()
    await client.untilEvents(1)
    const kept = async (since: string) =>
      await test.database.execute(`update retention set kept_since = ${since} where name = 'outbox_events'`)
    await place(test.database, menu)
    await kept(`now() - interval '1 minute'`)
    expect((await (await follow(client.lastId)).untilEvents(1))[0]?.event).to.equal('snapshot')
    await kept(`now() - interval '5 minutes'`)
    expect((await (await follow(client.lastId)).untilEvents(1))[0]?.event).to.equal('order.placed.v1')
  })

  it('starts with a snapshot when the resume point is too old or lies beyond a restored database', async () => {
    const cursors = await Cursors.open(test.database)
    const point = (at: number, next: string) =>
      cursors.issue(`stream of restaurant ${menu.restaurant_id}`, [String(at), next])
    for (const stale of [point(Date.now() - 30 * DAY_MS, '800'), point(Date.now(), '999999999999')]) {
      const client = await follow(stale)
      expect((await client.untilEvents(1))[0]?.event).to.equal('snapshot')
    }
  })
})
