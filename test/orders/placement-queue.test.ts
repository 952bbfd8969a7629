import { expect } from 'chai'
import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../../src/db/database.ts'
import type { Sql } from '../../src/db/transaction.ts'
import type { PlacedOrder, PlaceOrder } from '../../src/orders/decide-placement.ts'
import { placeOrders } from '../../src/orders/place-order.ts'
import { PlacementQueue } from '../../src/orders/placement-queue.ts'
import {
  DatabaseUnavailable,
  NotFound,
  Overloaded,
  RestaurantInactive,
  ValidationFailed,
} from '../../src/platform/errors.ts'
import { IdempotencyKeyInFlight } from '../../src/platform/idempotent-request.ts'
import { addMenu, eventsOf, type Menu } from '../support/pipeline.ts'
import { openTestDatabase } from '../support/system.ts'
import { until } from '../support/until.ts'

const trace = { request_id: 'test' }

describe('the placement queue', () => {
  let database: Database
  let close: () => Promise<void>
  let menu: Menu

  before(async () => {
    const test = await openTestDatabase()
    database = test.database
    close = test.close
    menu = await addMenu(database, 1_000)
  })
  after(() => close())

  function request(overrides: Partial<PlaceOrder> = {}): PlaceOrder {
    const [menu_item_id = ''] = menu.menu_item_ids
    return {
      order_id: uuidv7(),
      restaurant_id: menu.restaurant_id,
      items: [{ menu_item_id, quantity: 1 }],
      trace,
      ...overrides,
    }
  }

  /**
   * Returns the database with a record of the sizes of all inserted batches; `onWrite` may throw.
   */
  function recorded(onWrite: (orders: number) => void = () => undefined): Sql & { writes: number[] } {
    const writes: number[] = []
    return {
      writes,
      query: async (text, values) => {
        if (text.includes('insert into orders')) {
          // The length of a binary array is at byte 12.
          const [ids] = values as Buffer[]
          const orders = ids?.readInt32BE(12) ?? 0
          writes.push(orders)
          onWrite(orders)
        }
        return await database.query(text, values)
      },
      execute: (text, values) => database.execute(text, values),
    }
  }

  it('writes an order that arrives alone at once, as a batch of one', async () => {
    const sql = recorded()
    const order = await new PlacementQueue(sql).place(request())
    expect(sql.writes).to.deep.equal([1])
    expect(await eventsOf(database, order.order_id, 'order.placed.v1')).to.have.length(1)
  })

  it('writes orders that arrive while batches are in flight in shared batches', async () => {
    const sql = recorded()
    const queue = new PlacementQueue(sql)
    await Promise.all(Array.from({ length: 128 }, () => queue.place(request())))
    expect(sql.writes.reduce((sum, orders) => sum + orders)).to.equal(128)
    expect(sql.writes.length).to.be.below(10)
    expect(Math.max(...sql.writes)).to.equal(64)
  })

  it('writes larger batches, up to a limit, when more orders are queued', async () => {
    for (const [limit, longest] of [
      [300, 300],
      [undefined, 500],
    ] as const) {
      const sql = recorded()
      const queue = new PlacementQueue(sql, limit)
      await Promise.all(Array.from({ length: 1_000 }, () => queue.place(request())))
      expect(sql.writes.reduce((sum, orders) => sum + orders)).to.equal(1_000)
      expect(sql.writes.length).to.be.below(10)
      expect(Math.max(...sql.writes)).to.equal(longest)
    }
  })

  it('writes at most a thousand items per statement', async () => {
    const { restaurant_id, menu_item_ids } = await addMenu(database, 1, 1, 1)
    const items = menu_item_ids.map(menu_item_id => ({ menu_item_id, quantity: 1 }))
    const sql = recorded()
    const queue = new PlacementQueue(sql)
    await Promise.all(Array.from({ length: 900 }, () => queue.place(request({ restaurant_id, items }))))
    expect(Math.max(...sql.writes)).to.equal(333)
  })

  it('refuses an invalid order without affecting the rest of its batch', async () => {
    const queue = new PlacementQueue(recorded())
    const otherMenu = await addMenu(database, 1)
    const outcomes = await Promise.allSettled([
      queue.place(request()),
      queue.place(request({ items: [{ menu_item_id: otherMenu.menu_item_ids[0] ?? '', quantity: 1 }] })),
      queue.place(request({ restaurant_id: uuidv7() })),
      queue.place(request()),
    ])
    expect(outcomes.map(({ status }) => status)).to.deep.equal([
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
    ])
    const [, foreign, unknown] = outcomes.map(outcome =>
      outcome.status === 'rejected' ? outcome.reason : undefined,
    )
    expect(foreign).to.be.instanceOf(ValidationFailed)
    expect(unknown).to.be.instanceOf(NotFound)
  })

  it('reports a batch with an accepted order once, and no batch without one', async () => {
    let reports = 0
    const queue = new PlacementQueue(recorded(), 500, () => reports++)
    await queue.place(request({ restaurant_id: uuidv7() })).catch(() => undefined)
    expect(reports).to.equal(0)
    await Promise.allSettled([queue.place(request()), queue.place(request({ restaurant_id: uuidv7() }))])
    expect(reports).to.equal(1)
  })

  it('places each order alone when its batch fails', async () => {
    const sql = recorded(orders => {
      if (orders > 1) throw new Error('the batch fails')
    })
    const queue = new PlacementQueue(sql)
    const placed = await Promise.all(Array.from({ length: 10 }, () => queue.place(request())))
    expect(new Set(placed.map(({ order_id }) => order_id)).size).to.equal(10)
    expect(sql.writes.filter(orders => orders > 1)).to.have.length(1)
  })

  it('does not place orders one by one while the database is unavailable', async () => {
    const sql = recorded(() => {
      throw new DatabaseUnavailable(new Error('away'))
    })
    const queue = new PlacementQueue(sql)
    const outcomes = await Promise.allSettled(Array.from({ length: 40 }, () => queue.place(request())))
    for (const outcome of outcomes)
      expect(outcome).to.have.property('reason').that.is.instanceOf(DatabaseUnavailable)
    expect(sql.writes.length).to.be.below(10)
  })

  it('refuses orders as Overloaded when the queue is full', async () => {
    const gate = await database.beginTransaction()
    await gate.db.query('lock table orders in exclusive mode')
    const queue = new PlacementQueue(recorded())
    const placing = Array.from({ length: 2_200 }, () => queue.place(request()))
    const outcomes = Promise.allSettled(placing)
    await until('two statements wait for the lock', async () => {
      const waiting = await database.query(
        `select 1 from pg_locks where not granted and relation = 'orders'::regclass`,
      )
      return waiting.length === 2
    })
    await gate.rollback()
    const refused = (await outcomes).filter(outcome => outcome.status === 'rejected')
    expect(refused.length).to.be.within(1, 200)
    for (const { reason } of refused) expect(reason).to.be.instanceOf(Overloaded)
  })

  it('creates one order with one event when the same id is placed again', async () => {
    const order = request()
    await placeOrders(database, [order])
    await placeOrders(database, [order, request()])
    expect(await eventsOf(database, order.order_id, 'order.placed.v1')).to.have.length(1)
    const [row] = await database.query<{ found: number }>(
      'select count(*) as found from order_items where order_id = $1',
      [order.order_id],
    )
    expect(row?.found).to.equal(1)
  })

  it('merges lines of the same item and copies its name and price', async () => {
    const [menu_item_id = ''] = menu.menu_item_ids
    const lines = [1, 2].map(quantity => ({ menu_item_id, quantity }))
    const [order] = await placeOrders(database, [request({ items: lines })])
    expect(order).to.have.property('total_minor', 2850)
    expect(order)
      .to.have.property('items')
      .that.deep.equals([{ menu_item_id, line_no: 1, name: 'Pizza', price_minor: 950, quantity: 3 }])
  })

  describe('with a cached menu', () => {
    let restaurant_id: string
    let menu_item_id: string
    let queue: PlacementQueue
    let reads: number

    beforeEach(async () => {
      const own = await addMenu(database, 1_000)
      restaurant_id = own.restaurant_id
      menu_item_id = own.menu_item_ids[0] ?? ''
      reads = 0
      queue = new PlacementQueue({
        query: (text, values) => {
          if (text.includes('wanted')) reads++
          return database.query(text, values)
        },
      })
    })

    const place = () => queue.place(request({ restaurant_id, items: [{ menu_item_id, quantity: 1 }] }))

    it('reads a menu item once', async () => {
      for (let count = 0; count < 3; count++) await place()
      expect(reads).to.equal(1)
    })

    it('places an order with the current name and price after the menu changes', async () => {
      await place()
      await database.execute(
        `update menu_items set price_minor = 1_100, name = 'Pizza Margherita' where menu_item_id = $1`,
        [menu_item_id],
      )
      const order = await place()
      expect(order).to.have.property('total_minor', 1100)
      expect(order.items[0]).to.have.property('name', 'Pizza Margherita')
      const [item] = await database.query('select name, price_minor from order_items where order_id = $1', [
        order.order_id,
      ])
      expect(item).to.deep.equal({ name: 'Pizza Margherita', price_minor: 1100 })
    })

    it('places an order with the current decimals of the restaurant after they were corrected', async () => {
      expect(await place()).to.include({ currency_decimals: 2, total_minor: 950 })
      const setDecimals = (decimals: number) =>
        database.execute('update restaurants set currency_decimals = $2 where restaurant_id = $1', [
          restaurant_id,
          decimals,
        ])
      await setDecimals(3)
      const { order_id } = await place()
      const orders = await database.query(
        `select currency_decimals, payload->>'total_amount' as total_amount
        from orders join outbox_events using (order_id)
        where order_id = $1`,
        [order_id],
      )
      expect(orders).to.deep.equal([{ currency_decimals: 3, total_amount: '0.950' }])
      await setDecimals(2)
    })

    it('refuses an item or restaurant that was deactivated, and accepts it once it is active again', async () => {
      await place()
      for (const table of ['menu_items', 'restaurants']) {
        const set = (at: string) =>
          database.execute(`update ${table} set deactivated_at = ${at} where restaurant_id = $1`, [
            restaurant_id,
          ])
        await set('now()')
        const refusal = await place().catch((error: unknown) => error)
        expect(refusal).to.be.instanceOf(table === 'restaurants' ? RestaurantInactive : ValidationFailed)
        await set('null')
        expect(await place()).to.have.property('total_minor', 950)
      }
    })

    it('refuses an order with one cached and one unknown item', async () => {
      await place()
      const items = [menu_item_id, uuidv7()].map(id => ({ menu_item_id: id, quantity: 1 }))
      const refusal = await queue.place(request({ restaurant_id, items })).catch((error: unknown) => error)
      expect(refusal).to.be.instanceOf(ValidationFailed)
      expect(reads).to.equal(2)
    })

    it('accepts an item that was added after it was refused as unknown', async () => {
      const added = uuidv7()
      const placeAdded = () =>
        queue.place(request({ restaurant_id, items: [{ menu_item_id: added, quantity: 1 }] }))
      expect(await placeAdded().catch((error: unknown) => error)).to.be.instanceOf(ValidationFailed)
      await database.execute(
        `insert into menu_items (menu_item_id, restaurant_id, name, price_minor, available_qty)
        values ($1, $2, 'Calzone', 1_250, 0)`,
        [added, restaurant_id],
      )
      expect(await placeAdded()).to.have.property('total_minor', 1250)
    })

    it('stores an idempotency key once when the order is decided twice', async () => {
      await place()
      await database.execute('update menu_items set price_minor = 1_200 where menu_item_id = $1', [
        menu_item_id,
      ])
      const idempotency = {
        caller: 'test',
        key: uuidv7(),
        fingerprint: 'same',
        replyOf: (order: PlacedOrder) => ({ status: 202, headers: {}, body: order.total_minor }),
      }
      const keyed = () =>
        queue.place(request({ restaurant_id, items: [{ menu_item_id, quantity: 1 }], idempotency }))
      expect(await keyed()).to.have.property('total_minor', 1200)
      expect(await keyed().catch((error: unknown) => error)).to.be.instanceOf(IdempotencyKeyInFlight)
      const [row] = await database.query('select body from idempotency_keys where key = $1', [
        idempotency.key,
      ])
      expect(row).to.deep.equal({ body: 1200 })
    })
  })

  it('writes an event and a transition with every order', async () => {
    const [row] = await database.query<{ orders: number; events: number; transitions: number }>(
      `select (select count(*) from orders) as orders, (select count(*) from outbox_events) as events,
        (select count(*) from order_transitions) as transitions`,
    )
    expect(row?.events).to.equal(row?.orders)
    expect(row?.transitions).to.equal(row?.orders)
  })
})
