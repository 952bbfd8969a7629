import type { Database } from '../db/database.ts'
import type { Sql } from '../db/transaction.ts'
import { isEventType } from '../events/catalogue.ts'
import type { NewEvent } from '../events/read-new-events.ts'
import { sequenceAtStep, sequenceOf } from '../events/sequence.ts'
import { sinceOrderSql } from '../events/since-order.ts'
import {
  type PositionRow,
  positionSql,
  type SnapshotPosition,
  snapshotPosition,
} from '../events/snapshot-position.ts'
import { sortEvents } from '../events/sort-events.ts'
import type { StreamReply } from '../http/route-reply.ts'
import { frameOf } from '../http/sse/event-stream.ts'
import { isFinal } from '../orders/order.ts'
import { type OrderRecord, orderColumns } from '../orders/order-queries.ts'
import { presentOrder } from '../orders/present-order.ts'
import type { TrackingLinks } from '../orders/tracking-links.ts'
import { nowMs } from '../platform/clock.ts'
import { ExpectedError, NotFound } from '../platform/errors.ts'
import { bodyOf, type EventTailer } from './event-tailer.ts'

interface OrderStreamOptions {
  database: Database
  reader: EventTailer
  publicUrl: string
  links: TrackingLinks
}

/**
 * The event after which a client resumes, from the `id` of a frame: the sequence of the event, and
 * its own id. After a failover that lost events, other events may have their sequences.
 */
export interface ResumeEvent {
  sequence: number
  /** undefined in the snapshot of an order whose events are no longer stored */
  eventId: string | undefined
}

const RESUME_EVENT = /^([1-9]\d{0,9})(?:-([0-9a-f-]{36}))?$/

/** @throws resume-point-invalid */
export function parseResumeEvent(lastEventId: string): ResumeEvent {
  const [, sequence, eventId] = RESUME_EVENT.exec(lastEventId) ?? []
  if (sequence !== undefined) return { sequence: Number(sequence), eventId }
  throw new ExpectedError(
    'resume-point-invalid',
    'Last-Event-ID must be the `id` of an event of this order; connect without it to get a snapshot',
  )
}

/**
 * Returns the stream of an order: first the events after the event `after`, then new events as they
 * are committed. Without `after`, or when that event no longer exists, the stream starts with a
 * snapshot of the order. The stream ends after the final event: the one that makes the order
 * DELIVERED or CANCELLED. With `after` at that event there is no stream.
 * @throws NotFound
 */
export async function orderStream(
  { database, reader, publicUrl, links }: OrderStreamOptions,
  orderId: string,
  after: ResumeEvent | undefined,
): Promise<StreamReply> {
  const { order, events, position } = await readOrderWithEvents(database, orderId)
  const { restaurant_id: restaurantId } = order
  const isOver = isFinal(order.status)
  // Every event is written under the lock of its order, so that none commits after the final one.
  const finalSequence = sequenceAtStep(order.version)
  const found = after && events.find(event => sequenceOf(event) === after.sequence)
  const isLost = found && after.eventId !== undefined && after.eventId !== found.event_id
  if (isOver && after?.sequence === finalSequence && !isLost) return { restaurantId, start: undefined }

  function render(newEvents: readonly NewEvent[]): string {
    return newEvents.map(event => frameOfEvent(event, publicUrl)).join('')
  }

  /**
   * Renders the past. Events are pruned oldest first: while event `after` exists, so do all events
   * behind it.
   */
  function renderPast(): string {
    if (found && !isLost) return render(events.filter(event => (sequenceOf(event) ?? 0) > after.sequence))
    const last = events.at(-1)
    const hasLast = last && (!isOver || sequenceOf(last) === finalSequence)
    const id = hasLast ? resumeIdOf(last) : String(finalSequence)
    return frameOf('snapshot', id, JSON.stringify(links.addTo(presentOrder(order))))
  }

  return {
    restaurantId,
    start: async stream => {
      const past = renderPast()
      if (past !== '') stream.send(past)
      if (isOver) return stream.end()
      const send = (rendered: string, sent: readonly NewEvent[]) => {
        stream.send(rendered)
        if (sent.some(isFinalEvent)) stream.end()
      }
      const restart = () => stream.end()
      stream.onClose(
        reader.subscribe({
          topic: { restaurantId, orderId },
          format: 'events',
          position,
          render,
          send,
          restart,
        }),
      )
    },
  }
}

function isFinalEvent({ payload }: NewEvent): boolean {
  return 'status' in payload && isFinal(payload.status)
}

function frameOfEvent(event: NewEvent, publicUrl: string): string {
  const body = bodyOf(event, publicUrl)
  return body === undefined ? '' : frameOf(event.type, resumeIdOf(event), body)
}

function resumeIdOf(event: NewEvent): string {
  return `${sequenceOf(event)}-${event.event_id}`
}

interface OrderWithEvents {
  order: OrderRecord
  /** by sequence, without types that only a newer version has */
  events: NewEvent[]
  /** the snapshot in which both were read */
  position: SnapshotPosition
}

/** Reads an order and its events in one snapshot. */
async function readOrderWithEvents(sql: Sql, orderId: string): Promise<OrderWithEvents> {
  const takenAtMs = nowMs()
  const [row] = await sql.query<OrderRecord & PositionRow & { events: NewEvent[] | null }>(readSql, [orderId])
  if (!row) throw new NotFound('order', orderId)
  const { snapshot, wal_timeline, events, ...order } = row
  const known = (events ?? []).filter(({ type }) => isEventType(type))
  return {
    order,
    events: sortEvents(known),
    position: snapshotPosition({ snapshot, wal_timeline }, takenAtMs),
  }
}

const readSql = `
  select ${orderColumns},
    (
      select json_agg(json_build_object('event_id', event_id, 'restaurant_id', e.restaurant_id, 'type', type,
        'order_id', e.order_id, 'payload', payload, 'trace_context', trace_context))
      from outbox_events as e
      where e.order_id = o.order_id
        and ${sinceOrderSql('o')}
    ) as events,
    ${positionSql}
  from orders as o
  where order_id = $1
`
