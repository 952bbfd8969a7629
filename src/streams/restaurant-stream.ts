import type { Database } from '../db/database.ts'
import { type NewEvent, readNewEvents } from '../events/read-new-events.ts'
import { isWithin, type SnapshotPosition, snapshotPosition } from '../events/snapshot-position.ts'
import { sortEvents } from '../events/sort-events.ts'
import type { Cursors } from '../http/cursor.ts'
import type { EventStream, StreamReply } from '../http/route-reply.ts'
import { frameOf } from '../http/sse/event-stream.ts'
import type { Restaurant } from '../inventory/inventory-entities.ts'
import { presentRestaurant } from '../inventory/stock-contract.ts'
import { readRestaurant } from '../inventory/stock-queries.ts'
import { presentOrder } from '../orders/order-contract.ts'
import type { OrderRecord } from '../orders/order-queries.ts'
import { readOpenOrders } from '../orders/read-open-orders.ts'
import { bodyOf, type EventTailer } from './event-tailer.ts'
import { type ResumePoint, ResumeTokens } from './resume-token.ts'

/** Open orders in a snapshot. */
const MAX_OPEN_COUNT = 200
/** Events that a client may have missed; whoever has missed more gets a snapshot. */
const MAX_MISSED_COUNT = 10_000
/** So few are sent before the client can fall behind meanwhile. */
const FEW_COUNT = 200

export interface RestaurantStreamOptions {
  database: Database
  cursors: Cursors
  reader: EventTailer
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
  const points = new ResumeTokens(cursors, restaurantId)

  /** The ids within a look count; the last is the horizon that it reached. @param seen how many of them not to send */
  function frames(
    events: readonly NewEvent[],
    from: SnapshotPosition,
    to: SnapshotPosition,
    seen = 0,
  ): string[] {
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
    const begun = sortEvents(news.events.filter(({ xid }) => isWithin(part.to, xid)))
    const rest = sortEvents(news.events.filter(({ xid }) => !isWithin(part.to, xid)))
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
  ): Promise<SnapshotPosition> {
    let horizon = reached
    for (let missed = first; stream.isOpen; ) {
      await stream.sendAll(missed)
      if (missed.length <= FEW_COUNT) break
      const news = await readNewEvents(database, horizon, [restaurantId], MAX_MISSED_COUNT)
      missed = frames(sortEvents(news.events), horizon, news.horizon)
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
        render: (events: readonly NewEvent[], from: SnapshotPosition, to: SnapshotPosition) =>
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
  horizon: SnapshotPosition
}

interface RestaurantWithOrders {
  restaurant: Restaurant
  /** open, oldest first; one more than are shown when there are more */
  orders: OrderRecord[]
  horizon: SnapshotPosition
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
    return { restaurant, orders, horizon: snapshotPosition(rows[0]?.snapshot ?? '') }
  })
}
