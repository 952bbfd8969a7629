import type { Database } from '../db/database.ts'
import type { Sql } from '../db/transaction.ts'
import { MAX_COMMIT_DELAY_MS } from '../events/commit-delay.ts'
import { type NewEvent, readNewEvents } from '../events/read-new-events.ts'
import {
  isWithin,
  type PositionRow,
  positionSql,
  type SnapshotPosition,
  snapshotPosition,
} from '../events/snapshot-position.ts'
import { sortEvents } from '../events/sort-events.ts'
import type { Cursors } from '../http/cursor.ts'
import type { EventStream, StreamReply } from '../http/route-reply.ts'
import { frameOf } from '../http/sse/event-stream.ts'
import type { Restaurant } from '../inventory/inventory-entities.ts'
import { presentRestaurant } from '../inventory/stock-contract.ts'
import { readRestaurant } from '../inventory/stock-queries.ts'
import type { OrderStatus } from '../orders/order.ts'
import type { OrderRecord } from '../orders/order-queries.ts'
import { presentOrder } from '../orders/present-order.ts'
import { readOpenOrders } from '../orders/read-open-orders.ts'
import type { TrackingLinks } from '../orders/tracking-links.ts'
import { nowMs } from '../platform/clock.ts'
import { bodyOf, type EventTailer } from './event-tailer.ts'
import type { RestaurantSnapshot } from './restaurant-snapshot-contract.ts'
import { type ResumePoint, ResumeTokens } from './resume-token.ts'

/** Open orders in a snapshot. */
const MAX_OPEN_COUNT = 1_000
/** Orders per frame of a snapshot. */
const ORDERS_PER_FRAME = 100
/** Missed events that a resumed stream sends; a client that has missed more gets a snapshot. */
const MAX_MISSED_COUNT = 10_000
/** The tailer takes over when no more than this many events are left to send. */
const TAKE_OVER_COUNT = 200

export interface RestaurantStreamOptions {
  database: Database
  cursors: Cursors
  reader: EventTailer
  publicUrl: string
  links: TrackingLinks
}

/**
 * Returns the stream of a restaurant: first the events after the resume point, then new events as
 * they are committed. Without a resume point, or when it is too old, too far behind or of another
 * timeline, the stream starts with a snapshot of the restaurant and its open orders.
 * @param statuses of the open orders in a snapshot
 * @param lastEventId as the client sent it
 * @throws NotFound, resume-point-invalid
 */
export async function restaurantStream(
  { database, cursors, reader, publicUrl, links }: RestaurantStreamOptions,
  restaurantId: string,
  statuses: readonly OrderStatus[],
  lastEventId: string | undefined,
): Promise<StreamReply> {
  const tokens = new ResumeTokens(cursors, restaurantId)

  /**
   * Renders the events of one batch. The id of the last is the position after the batch; the ids
   * before it count events within the batch.
   * @param sentCount how many of them the client has already received
   */
  function frames(
    events: readonly NewEvent[],
    from: SnapshotPosition,
    to: SnapshotPosition,
    sentCount = 0,
  ): string[] {
    return events.slice(sentCount).flatMap((event, index) => {
      const count = sentCount + index + 1
      const body = bodyOf(event, publicUrl)
      const point = count === events.length ? { position: to } : { position: from, part: { to, count } }
      return body === undefined ? [] : [frameOf(event.type, tokens.issue(point), body)]
    })
  }

  async function readMissed(point: ResumePoint): Promise<StreamStart | undefined> {
    const { position, part = { to: position, count: 0 } } = point
    const batch = await readNewEvents(database, position, [restaurantId], MAX_MISSED_COUNT)
    if (position.timeline !== batch.position.timeline) return undefined
    const isAhead = Math.max(position.next, part.to.next) > batch.position.next
    if (isAhead || !batch.isComplete || !(await isKeptSince(database, position.takenAtMs))) return undefined
    const started = sortEvents(batch.events.filter(({ xid }) => isWithin(part.to, xid)))
    const rest = sortEvents(batch.events.filter(({ xid }) => !isWithin(part.to, xid)))
    return {
      frames: [...frames(started, position, part.to, part.count), ...frames(rest, part.to, batch.position)],
      position: batch.position,
    }
  }

  async function readSnapshot(): Promise<StreamStart> {
    const { restaurant, orders, position } = await readRestaurantWithOrders(database, restaurantId, statuses)
    const shown = orders.slice(0, MAX_OPEN_COUNT)
    const part_count = Math.max(1, Math.ceil(shown.length / ORDERS_PER_FRAME))
    const frames = Array.from({ length: part_count }, (_, index) => {
      const snapshot: RestaurantSnapshot = {
        restaurant: presentRestaurant(restaurant),
        open_orders: shown
          .slice(index * ORDERS_PER_FRAME, (index + 1) * ORDERS_PER_FRAME)
          .map(order => links.addTo(presentOrder(order))),
        has_more_open_orders: orders.length > MAX_OPEN_COUNT,
        part: index + 1,
        part_count,
      }
      const id = snapshot.part === part_count ? tokens.issue({ position }) : undefined
      return frameOf('snapshot', id, JSON.stringify(snapshot))
    })
    return { frames, position }
  }

  /**
   * Sends past events until few enough are left for the tailer.
   * @returns the position of the client
   * @throws Error when the timeline changes meanwhile, which ends the stream
   */
  async function catchUp(stream: EventStream, first: StreamStart): Promise<SnapshotPosition> {
    let { frames: missed, position } = first
    while (stream.isOpen) {
      await stream.sendAll(missed)
      if (missed.length <= TAKE_OVER_COUNT) break
      const batch = await readNewEvents(database, position, [restaurantId], MAX_MISSED_COUNT)
      if (batch.position.timeline !== position.timeline)
        throw new Error('the database is on another timeline')
      missed = frames(sortEvents(batch.events), position, batch.position)
      position = batch.position
    }
    return position
  }

  const point = lastEventId === undefined ? undefined : tokens.read(lastEventId)
  const first = (point && (await readMissed(point))) ?? (await readSnapshot())
  return {
    restaurantId,
    start: async stream => {
      const subscription = {
        topic: { restaurantId },
        format: 'events' as const,
        position: await catchUp(stream, first),
        render: (events: readonly NewEvent[], from: SnapshotPosition, to: SnapshotPosition) =>
          frames(events, from, to).join(''),
        send: (rendered: string) => stream.send(rendered),
        restart: () => stream.end(),
      }
      stream.resumePoint = () => tokens.issue({ position: subscription.position })
      stream.onClose(reader.subscribe(subscription))
    },
  }
}

/**
 * Returns whether every event after a position that was taken at this time is still there, or was
 * when the events were read before.
 */
async function isKeptSince(sql: Sql, takenAtMs: number): Promise<boolean> {
  const rows = await sql.query(keptSql, [new Date(takenAtMs - MAX_COMMIT_DELAY_MS)])
  return rows.length > 0
}

const keptSql = `
  select
  from retention
  where name = 'outbox_events'
    and kept_since < $1
`

interface StreamStart {
  frames: string[]
  /** the position of a client that has received these frames */
  position: SnapshotPosition
}

interface RestaurantWithOrders {
  restaurant: Restaurant
  /** the oldest open orders, oldest first; one more than a snapshot shows if there are more */
  orders: OrderRecord[]
  position: SnapshotPosition
}

/** Reads a restaurant and its open orders in one snapshot. @throws NotFound */
async function readRestaurantWithOrders(
  database: Database,
  restaurantId: string,
  statuses: readonly OrderStatus[],
): Promise<RestaurantWithOrders> {
  return await database.transaction(async tx => {
    const takenAtMs = nowMs()
    const [, rows, restaurant, orders] = await Promise.all([
      tx.execute('set transaction isolation level repeatable read'),
      tx.query<PositionRow>(`select ${positionSql}`),
      readRestaurant(tx, restaurantId),
      readOpenOrders(tx, restaurantId, statuses, MAX_OPEN_COUNT + 1),
    ])
    return { restaurant, orders, position: snapshotPosition(rows[0], takenAtMs) }
  })
}
