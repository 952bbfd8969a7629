import type { Database } from '../db/database.ts'
import type { Cursors } from '../http/cursor.ts'
import { type EventStream, frameOf } from '../http/event-stream.ts'
import type { StreamReply } from '../http/route-reply.ts'
import type { Restaurant } from '../inventory/inventory-entities.ts'
import { presentRestaurant } from '../inventory/stock-contract.ts'
import { readRestaurant } from '../inventory/stock-queries.ts'
import { presentOrder } from '../orders/order-contract.ts'
import type { OrderRecord } from '../orders/order-queries.ts'
import { readOpenOrders } from '../orders/read-open-orders.ts'
import { type Horizon, horizonOf, isWithin } from '../outbox/horizon.ts'
import { inOrder } from '../outbox/in-order.ts'
import { type NewEvent, readNewEvents } from '../outbox/read-new-events.ts'
import { bodyOf, type EventReader } from './event-reader.ts'
import { type ResumePoint, ResumePoints } from './resume-point.ts'

/** Open orders in a snapshot. */
const MAX_OPEN_COUNT = 200
/** Events that a client may have missed; whoever has missed more gets a snapshot. */
const MAX_MISSED_COUNT = 10_000
/** So few are sent before the client can fall behind meanwhile. */
const FEW_COUNT = 200

export interface RestaurantStreamOptions {
  database: Database
  cursors: Cursors
  reader: EventReader
  publicUrl: string
}

/**
 * A restaurant's stream: what has happened behind the resume point, then what happens. Without one, or when it is too old,
 * too far back or of another database: the restaurant with its open orders as they are now, then what happens.
 * @param lastEventId as the client sent it
 * @throws NotFound, resume-point-invalid
 */
export async function restaurantStream(
  { database, cursors, reader, publicUrl }: RestaurantStreamOptions,
  restaurantId: string,
  lastEventId: string | undefined,
): Promise<StreamReply> {
  const points = new ResumePoints(cursors, restaurantId)

  /** The ids within a look count; the last is the horizon that it reached. @param seen how many of them not to send */
  function frames(events: readonly NewEvent[], from: Horizon, to: Horizon, seen = 0): string[] {
    return events.slice(seen).flatMap((event, index) => {
      const count = seen + index + 1
      const body = bodyOf(event, publicUrl)
      const point = count === events.length ? { horizon: to } : { horizon: from, part: { to, count } }
      return body === undefined ? [] : [frameOf(event.type, points.issue(point), body)]
    })
  }

  async function readMissed(point: ResumePoint): Promise<Beginning | undefined> {
    const { horizon, part = { to: horizon, count: 0 } } = point
    const news = await readNewEvents(database, horizon, [restaurantId], MAX_MISSED_COUNT)
    const isAhead = Math.max(horizon.next, part.to.next) > news.horizon.next
    if (isAhead || !news.isWhole) return undefined
    const begun = inOrder(news.events.filter(({ xid }) => isWithin(part.to, xid)))
    const rest = inOrder(news.events.filter(({ xid }) => !isWithin(part.to, xid)))
    return {
      frames: [...frames(begun, horizon, part.to, part.count), ...frames(rest, part.to, news.horizon)],
      horizon: news.horizon,
    }
  }

  async function readSnapshot(): Promise<Beginning> {
    const { restaurant, orders, horizon } = await readRestaurantWithOrders(database, restaurantId)
    const snapshot = {
      restaurant: presentRestaurant(restaurant),
      open_orders: orders.slice(-MAX_OPEN_COUNT).map(presentOrder),
      has_more_open_orders: orders.length > MAX_OPEN_COUNT,
    }
    return { frames: [frameOf('snapshot', points.issue({ horizon }), JSON.stringify(snapshot))], horizon }
  }

  /** Sends what there is so far, until so little is new that the reader can take over. */
  async function catchUp(
    stream: EventStream,
    { frames: first, horizon: reached }: Beginning,
  ): Promise<Horizon> {
    let horizon = reached
    for (let missed = first; stream.isOpen; ) {
      await stream.sendAll(missed)
      if (missed.length <= FEW_COUNT) break
      const news = await readNewEvents(database, horizon, [restaurantId], MAX_MISSED_COUNT)
      missed = frames(inOrder(news.events), horizon, news.horizon)
      horizon = news.horizon
    }
    return horizon
  }

  const point = lastEventId === undefined ? undefined : points.read(lastEventId)
  const beginning = (point && (await readMissed(point))) ?? (await readSnapshot())
  return {
    restaurantId,
    start: async stream => {
      const subscription = {
        topic: { restaurantId },
        horizon: await catchUp(stream, beginning),
        render: (events: readonly NewEvent[], from: Horizon, to: Horizon) =>
          frames(events, from, to).join(''),
        send: (rendered: string) => stream.send(rendered),
      }
      stream.resumePoint = () => points.issue({ horizon: subscription.horizon })
      stream.onClose(reader.subscribe(subscription))
    },
  }
}

interface Beginning {
  frames: string[]
  /** up to where it was read */
  horizon: Horizon
}

interface RestaurantWithOrders {
  restaurant: Restaurant
  /** open, oldest first; one more than are shown when there are more */
  orders: OrderRecord[]
  horizon: Horizon
}

/** A restaurant and its open orders, as they were at one moment. @throws NotFound */
async function readRestaurantWithOrders(
  database: Database,
  restaurantId: string,
): Promise<RestaurantWithOrders> {
  return await database.transaction(async tx => {
    const [, rows, restaurant, orders] = await Promise.all([
      tx.execute('set transaction isolation level repeatable read'),
      tx.query<{ snapshot: string }>('select pg_current_snapshot()::text as snapshot'),
      readRestaurant(tx, restaurantId),
      readOpenOrders(tx, restaurantId, MAX_OPEN_COUNT + 1),
    ])
    return { restaurant, orders, horizon: horizonOf(rows[0]?.snapshot ?? '') }
  })
}
