import type { Sql } from '../../db/transaction.ts'
import { toCloudEvent } from '../../events/cloud-event.ts'
import type { EventOf } from '../../events/event.ts'
import { sequenceSql } from '../../events/sequence.ts'
import { type DeliveryState, TEST_EVENT } from '../deliveries.ts'
import type { DeliveryJob } from '../fan-out.ts'
import { toTestEvent } from '../test-event.ts'

/** A job of `downstream.deliver` as pg-boss hands it out. */
export interface TakenJob {
  id: string
  retryCount: number
  data: DeliveryJob
}

/** A delivery whose job a worker has taken, with all that is needed to send it. */
export interface TakenDelivery {
  delivery_id: string
  webhook_id: string
  event_id: string
  type: string
  restaurant_id: string | null
  order_id: string | null
  state: DeliveryState
  /** its own job; what has another id is left over from before */
  job_id: string
  /** somebody has asked for it by hand */
  requested: boolean
  url: string
  webhook_status: 'ACTIVE' | 'DISABLED' | 'DELETED'
  secrets: string[]
  /** null: of a test, or no longer kept */
  payload: EventOf['payload'] | null
  trace_context: EventOf['trace_context'] | null
  /** earlier events of the order for the same subscription that are not settled */
  ahead: string[]
  /** an earlier event of the order has not even been dispatched */
  is_early: boolean
}

/** The deliveries of these jobs, by id. */
export async function loadDeliveries(
  sql: Sql,
  jobs: readonly TakenJob[],
): Promise<Map<string, TakenDelivery>> {
  const rows = await sql.query<TakenDelivery>(takeSql, [jobs.map(({ data }) => data.delivery_id)])
  return new Map(rows.map(row => [row.delivery_id, row]))
}

/** Why a delivery is not to be sent at all; undefined: it is. */
export function discardReason(delivery: TakenDelivery): string | undefined {
  const { webhook_status, requested, payload, type } = delivery
  if (webhook_status === 'DELETED') return 'the webhook was deleted'
  if (webhook_status === 'DISABLED' && !requested) return 'the webhook was disabled'
  return payload === null && type !== TEST_EVENT ? 'the event is no longer kept' : undefined
}

/** The bytes that are sent: the same for each attempt. */
export function bodyOf(delivery: TakenDelivery, publicUrl: string): string {
  const { event_id, type, restaurant_id, order_id, payload, trace_context } = delivery
  if (payload === null) return JSON.stringify(toTestEvent(delivery, publicUrl))
  const event = { event_id, type, restaurant_id, order_id, payload, trace_context: trace_context ?? {} }
  return JSON.stringify(toCloudEvent(event as EventOf, publicUrl))
}

export const UNSETTLED = `('QUEUED', 'AWAITS_TURN', 'AWAITS_ROOM')`

/** Which deliveries of the same order and subscription as `d` stand before it. */
export const aheadSql = (of: string) => `
    from webhook_deliveries as p
    where p.webhook_id = ${of}.webhook_id
      and p.order_id = ${of}.order_id
      and p.sequence < ${of}.sequence
      and p.state in ${UNSETTLED}`

/** Which events of the same order as `d` are still in the outbox, and come before it. */
export const earlyEventsSql = (of: string) => `
    from outbox_events as e
    where e.order_id = ${of}.order_id
      and e.dispatched_at is null
      and e.quarantined_at is null
      and ${sequenceSql} < ${of}.sequence`

const takeSql = `
  select d.delivery_id, d.webhook_id, d.event_id, d.type, d.restaurant_id, d.order_id, d.state,
    coalesce(d.job_id, d.delivery_id) as job_id, d.requested_at is not null as requested,
    w.url, w.status as webhook_status,
    array(
      select s.secret
      from webhook_secrets as s
      where s.webhook_id = w.webhook_id
        and (s.expires_at is null or s.expires_at > clock_timestamp())
      order by s.created_at desc
    ) as secrets,
    o.payload, o.trace_context,
    array(select p.delivery_id ${aheadSql('d')}) as ahead,
    d.order_id is not null and exists (select 1 ${earlyEventsSql('d')}) as is_early
  from webhook_deliveries as d
  join webhooks as w on w.webhook_id = d.webhook_id
  left join outbox_events as o
    on o.event_id = d.event_id
    and o.restaurant_id = d.restaurant_id
  where d.delivery_id = any($1::uuid[])
`
