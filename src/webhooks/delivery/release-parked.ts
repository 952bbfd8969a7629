import { uuids } from '../../db/array-params.ts'
import type { Sql } from '../../db/transaction.ts'
import { PENDING } from '../deliveries.ts'

/** The deliveries of an order to a webhook, which are sent one after the other. */
export interface Lane {
  webhook_id: string
  order_id: string
}

/**
 * Makes the next delivery of each lane due, if it was parked. To be called in the transaction that
 * finishes a delivery of the lane, in a statement of its own: only a later snapshot contains what
 * was parked until that delivery was locked. A released delivery keeps its place in the queue, by
 * the time of its creation.
 * @returns how many were released
 */
export async function releaseParked(sql: Sql, lanes: readonly Lane[]): Promise<number> {
  if (lanes.length === 0) return 0
  return await sql.execute(releaseSql, [
    uuids(lanes.map(({ webhook_id }) => webhook_id)),
    uuids(lanes.map(({ order_id }) => order_id)),
  ])
}

const releaseSql = `
  update webhook_deliveries as d
  set next_attempt_at = d.created_at
  where d.webhook_id = any($1::uuid[])
    and d.delivery_id = any(array(
      select n.delivery_id
      from unnest($1::uuid[], $2::uuid[]) as lane (webhook_id, order_id)
      cross join lateral (
        select p.delivery_id, p.next_attempt_at
        from webhook_deliveries as p
        where p.state = '${PENDING}'
          and p.webhook_id = lane.webhook_id
          and p.order_id = lane.order_id
          and p.requested_at is null
        order by p.sequence
        limit 1
      ) as n
      where n.next_attempt_at is null
    ))
    and d.next_attempt_at is null
`
