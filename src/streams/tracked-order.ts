import type { Sql } from '../db/transaction.ts'
import type { NewEvent } from '../events/read-new-events.ts'
import {
  type PositionRow,
  positionSql,
  type SnapshotPosition,
  snapshotPosition,
} from '../events/snapshot-position.ts'
import { type OrderFact, type OrderStatus, OUT_OF_STOCK } from '../orders/order.ts'
import { type OrderRecord, orderColumns } from '../orders/order-queries.ts'
import { presentOrder } from '../orders/present-order.ts'
import { nowMs } from '../platform/clock.ts'
import { NotFound, TrackingLinkExpired } from '../platform/errors.ts'

/** What the customer of an order may see. It has no other ids, and no words of the staff. */
export interface TrackedOrder {
  order_id: string
  code: string
  restaurant_name: string
  total_amount: string
  currency: string
  items: { name: string; price: string; quantity: number }[]
  /** oldest first; the last one has the current status */
  steps: TrackedStep[]
}

interface TrackedStep {
  seq: number
  status: OrderStatus
  /** READY, UNREADY; null: the status changed */
  fact: OrderFact | null
  /** of a cancellation for insufficient stock; other reasons are words of the staff */
  reason: typeof OUT_OF_STOCK | null
  at: string
}

type TrackedRow = OrderRecord & PositionRow & { restaurant_name: string; is_expired: boolean }

/**
 * Reads an order for its customer.
 * @returns the order, its restaurant's id, and the snapshot in which it was read
 * @throws NotFound; TrackingLinkExpired when the order ended more than 24 hours ago
 */
export async function readTrackedOrder(
  sql: Sql,
  orderId: string,
): Promise<{ order: TrackedOrder; restaurantId: string; position: SnapshotPosition }> {
  const takenAtMs = nowMs()
  const [row] = await sql.query<TrackedRow>(readSql, [orderId])
  if (!row) throw new NotFound('order', orderId)
  if (row.is_expired) throw new TrackingLinkExpired()
  const { order_id, code, total_amount, currency, items, timeline } = presentOrder(row)
  const order = {
    order_id,
    code,
    restaurant_name: row.restaurant_name,
    total_amount,
    currency,
    items: items.map(({ name, price, quantity }) => ({ name, price, quantity })),
    steps: timeline.map(({ seq, to_status, fact, reason, at }) => ({
      seq,
      status: to_status,
      fact,
      reason: publicReason(reason),
      at,
    })),
  }
  return { order, restaurantId: row.restaurant_id, position: snapshotPosition(row, takenAtMs) }
}

/** Returns the step that an event records; undefined for events between two steps. */
export function trackedStepOf({ type, payload }: NewEvent): TrackedStep | undefined {
  if (!('seq' in payload)) return undefined
  const { seq, status, reason, at } = payload
  return { seq, status, fact: factOf(type), reason: publicReason(reason), at }
}

function factOf(type: string): OrderFact | null {
  if (type === 'order.ready.v1') return 'READY'
  return type === 'order.unready.v1' ? 'UNREADY' : null
}

function publicReason(reason: string | null): typeof OUT_OF_STOCK | null {
  return reason === OUT_OF_STOCK ? reason : null
}

/** No transition follows a final status, so that it is the one at `updated_at`. */
const readSql = `
  select ${orderColumns},
    (
      select name
      from restaurants as r
      where r.restaurant_id = o.restaurant_id
    ) as restaurant_name,
    status in ('DELIVERED', 'CANCELLED')
      and updated_at <= clock_timestamp() - interval '24 hours' as is_expired,
    ${positionSql}
  from orders as o
  where order_id = $1
`
