import { expect } from 'chai'
import fc from 'fast-check'
import type { Database } from '../../src/db/database.ts'
import type { EventType } from '../../src/events/catalogue.ts'
import type { EventOf } from '../../src/events/event.ts'
import { stockJobs } from '../../src/inventory/stock-jobs.ts'
import type { OrderStatus } from '../../src/orders/order.ts'
import { orderJobs } from '../../src/orders/order-jobs.ts'
import { appendEvents } from '../../src/outbox/append-event.ts'
import type { EventHandler } from '../../src/outbox/event-handler.ts'
import { routing } from '../../src/outbox/routing.ts'
import type { ApiClient } from '../support/api-client.ts'
import { type Menu, stockOf } from '../support/pipeline.ts'
import type { OrderModel } from './order-model.ts'

/**
 * The system that is compared with the model. Commands call its API and deliver its jobs in any
 * order.
 */
export interface RealSystem {
  api: ApiClient
  database: Database
  menu: Menu
  /** in order of placement, as in the model */
  orderIds: string[]
}

type Command = fc.AsyncCommand<OrderModel, RealSystem>

const MAX_QUANTITY = 3
const MAX_BATCH_COUNT = 6

const handlers: Record<string, EventHandler<never>> = { ...stockJobs, ...orderJobs }

class Place implements Command {
  readonly wanted: number[]

  constructor(wanted: number[]) {
    this.wanted = wanted
  }

  check(): boolean {
    return true
  }

  async run(model: OrderModel, real: RealSystem): Promise<void> {
    const { api, menu, orderIds } = real
    const lines = this.wanted.flatMap((quantity, item): [string, number][] =>
      quantity > 0 ? [[menu.menu_item_ids[item] ?? '', quantity]] : [],
    )
    const { order_id } = await api.place(menu.restaurant_id, ...lines)
    orderIds.push(order_id)
    model.place(this.wanted)
    await expectSameState(model, real, orderIds.length - 1)
  }

  toString(): string {
    return `place [${this.wanted.join(', ')}]`
  }
}

class ChangeStatus implements Command {
  readonly place: number
  readonly to: OrderStatus
  readonly byCancelCall: boolean

  constructor(place: number, to: OrderStatus, byCancelCall: boolean) {
    this.place = place
    this.to = to
    this.byCancelCall = byCancelCall && to === 'CANCELLED'
  }

  check({ orders }: OrderModel): boolean {
    return orders.length > 0
  }

  async run(model: OrderModel, real: RealSystem): Promise<void> {
    const index = this.place % model.orders.length
    const path = `/api/v1/orders/${real.orderIds[index]}`
    const { status, body } = this.byCancelCall
      ? await real.api.call('POST', `${path}/cancel`)
      : await real.api.call('PATCH', `${path}/status`, { status: this.to })
    const expected = model.changeStatus(index, this.to)
    expect(status, JSON.stringify(body)).to.equal(expected.status)
    if (expected.problem) expect(body['type']).to.match(new RegExp(`${expected.problem}$`))
    else expect(body['status']).to.equal(this.to)
    await expectSameState(model, real, index)
  }

  toString(): string {
    return `${this.byCancelCall ? 'cancel' : `patch to ${this.to}`} order ${this.place}`
  }
}

class ChangeReadiness implements Command {
  readonly place: number
  readonly isReady: boolean

  constructor(place: number, isReady: boolean) {
    this.place = place
    this.isReady = isReady
  }

  check({ orders }: OrderModel): boolean {
    return orders.length > 0
  }

  async run(model: OrderModel, real: RealSystem): Promise<void> {
    const index = this.place % model.orders.length
    const path = `/api/v1/orders/${real.orderIds[index]}/ready`
    const { status, body } = await real.api.call(this.isReady ? 'PUT' : 'DELETE', path)
    const expected = model.changeReadiness(index, this.isReady)
    expect(status, JSON.stringify(body)).to.equal(expected.status)
    if (expected.problem) expect(body['code']).to.equal(expected.problem)
    else expect(body['ready_at'] !== null).to.equal(this.isReady)
    await expectSameState(model, real, index)
  }

  toString(): string {
    return `${this.isReady ? 'ready' : 'unready'} order ${this.place}`
  }
}

/**
 * Handles some jobs of one queue in one transaction: any that were ever queued, in any order,
 * repeatedly.
 */
class Deliver implements Command {
  readonly type: EventType
  readonly places: number[]

  constructor(type: EventType, places: number[]) {
    this.type = type
    this.places = places
  }

  check({ events }: OrderModel): boolean {
    return events.some(({ type }) => type === this.type)
  }

  async run(model: OrderModel, real: RealSystem): Promise<void> {
    const candidates = [...model.events.keys()].filter(index => model.events[index]?.type === this.type)
    const chosen = [...new Set(this.places.map(place => candidates[place % candidates.length] ?? 0))]
    await deliver(model, real, this.type, chosen)
  }

  toString(): string {
    return `deliver ${this.type} [${this.places.join(', ')}]`
  }
}

export const commands = [
  fc
    .array(fc.nat(MAX_QUANTITY), { minLength: 2, maxLength: 2 })
    .filter(wanted => wanted.some(quantity => quantity > 0))
    .map(wanted => new Place(wanted)),
  fc
    .tuple(
      fc.nat(20),
      fc.constantFrom('PREPARING', 'OUT_FOR_DELIVERY', 'DELIVERED', 'CANCELLED'),
      fc.boolean(),
    )
    .map(([place, to, byCancelCall]) => new ChangeStatus(place, to, byCancelCall)),
  fc.tuple(fc.nat(20), fc.boolean()).map(([place, isReady]) => new ChangeReadiness(place, isReady)),
  ...(Object.keys(routing) as EventType[])
    .filter(type => queueOf(type) !== undefined)
    .map(type =>
      fc
        .array(fc.nat(20), { minLength: 1, maxLength: MAX_BATCH_COUNT })
        .map(places => new Deliver(type, places)),
    ),
] as fc.Arbitrary<Command>[]

/**
 * Returns the queue of an event. The model handles chained steps as jobs, which they may become.
 */
function queueOf(type: EventType): string | undefined {
  return routing[type][0]?.queue
}

/** Delivers all undelivered events, oldest first, including those that they cause. */
export async function deliverRemaining(model: OrderModel, real: RealSystem): Promise<void> {
  for (let index = 0; index < model.events.length; index++) {
    const event = model.events[index]
    if (event && !event.isHandled && queueOf(event.type) !== undefined)
      await deliver(model, real, event.type, [index])
  }
}

async function deliver(
  model: OrderModel,
  real: RealSystem,
  type: EventType,
  indexes: number[],
): Promise<void> {
  const events = await Promise.all(indexes.map(index => eventAt(model, real, index)))
  const queue = queueOf(type) ?? ''
  await real.database.transaction(async tx => {
    const handled = await handlers[queue]?.(tx, events as EventOf<never>[])
    appendEvents(tx, handled?.events ?? [])
  })
  for (const index of indexes) model.handle(index)
  for (const index of indexes) await expectSameState(model, real, model.events[index]?.order ?? 0)
}

/**
 * Returns the event of the system that corresponds to one of the model: each order has one per
 * type.
 */
async function eventAt(model: OrderModel, { database, orderIds }: RealSystem, index: number) {
  const event = model.events[index]
  const events = await database.query<EventOf>(
    `select event_id, restaurant_id, type, order_id, payload, trace_context
    from outbox_events
    where order_id = $1 and type = $2`,
    [orderIds[event?.order ?? 0], event?.type],
  )
  expect(events, `events ${event?.type} of order ${event?.order}`).to.have.length(1)
  return events[0]
}

/** Compares one order, its events, and all stock with the model. */
async function expectSameState(model: OrderModel, { database, menu, orderIds }: RealSystem, index: number) {
  const orderId = orderIds[index]
  const order = model.orders[index]
  const [[found], stock] = await Promise.all([
    database.query(
      `select status, ready_at is not null as is_ready,
        (select array_agg(coalesce(fact, to_status) order by seq) from order_transitions as t where t.order_id = o.order_id) as history,
        (select array_agg(type order by type) from outbox_events as e where e.order_id = o.order_id) as events,
        (select array_agg(distinct kind order by kind) from stock_movements as m where m.order_id = o.order_id) as movements
      from orders as o
      where order_id = $1`,
      [orderId],
    ),
    stockOf(database, menu),
  ])
  expect(found).to.deep.equal({
    status: order?.status,
    is_ready: order?.isReady,
    history: order?.history,
    events: model.events
      .filter(event => event.order === index)
      .map(({ type }) => type)
      .toSorted(),
    movements: { untouched: null, deducted: ['DEDUCT'], restored: ['DEDUCT', 'RESTORE'] }[
      order?.stock ?? 'untouched'
    ],
  })
  expect(stock, 'stock').to.deep.equal(model.stock)
}
