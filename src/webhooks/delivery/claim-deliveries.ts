import { integers, uuids } from '../../db/array-params.ts'
import type { Sql } from '../../db/transaction.ts'
import type { EventOf } from '../../events/event.ts'
import { sequenceSql } from '../../events/sequence.ts'
import { sinceOrderSql } from '../../events/since-order.ts'
import { newId } from '../../platform/ids.ts'
import { PENDING } from '../deliveries.ts'

/** A delivery that this worker has leased, with everything that is needed to send it. */
export interface LeasedDelivery {
  delivery_id: string
  webhook_id: string
  event_id: string
  type: string
  restaurant_id: string | null
  order_id: string | null
  /** attempts since its creation or the latest redelivery, including this one */
  tries: number
  /** redelivered on request: independent of the other events of its order */
  requested: boolean
  url: string
  webhook_status: 'ACTIVE' | 'DISABLED' | 'DELETED'
  secrets: string[]
  /** null: a test event, or an event that is no longer kept */
  payload: EventOf['payload'] | null
  trace_context: EventOf['trace_context'] | null
  /** fences the outcome: it is recorded only while the delivery has this lease */
  lease_id: string
}

export interface Claim {
  deliveries: LeasedDelivery[]
  /** a webhook has more due deliveries than capacity */
  isFull: boolean
  /** due deliveries were not leased, e.g. because they are blocked; more may be due behind them */
  hasBlocked: boolean
}

/** Capacity of this worker. */
export interface Capacity {
  /** requests in flight by webhook */
  inFlight: ReadonlyMap<string, number>
  /** maximum requests in flight per webhook */
  perWebhook: number
  /** maximum deliveries to lease */
  total: number
}

/** A worker that does not extend a lease, e.g. because it crashed, loses it after this time. */
export const LEASE_SECONDS = 10
/** Delay of a delivery that is due before an earlier event of its order is dispatched. */
const EARLY_SECONDS = 1

/**
 * Leases deliveries that are due, as many per webhook as the worker has capacity for, the longest
 * due first. Workers skip deliveries that another worker is leasing.
 *
 * An order's deliveries to a webhook are leased one at a time, in their order. A delivery that is
 * due before its turn is parked: without `next_attempt_at`, it costs nothing until the outcome of
 * the one before it is recorded (release-parked.ts). That row is locked meanwhile, so its outcome
 * cannot be recorded without finding the parked delivery.
 *
 * The commit does not wait for the disk: after a crash of the server, a lost lease only means that
 * the delivery is sent again.
 */
export async function claimDeliveries(sql: Sql, { inFlight, perWebhook, total }: Capacity): Promise<Claim> {
  const lease_id = newId()
  const rows = await sql.query<LeasedDelivery & { is_full: boolean; has_blocked: boolean }>(claimSql, [
    uuids([...inFlight.keys()]),
    integers([...inFlight.values()]),
    perWebhook,
    total,
    lease_id,
  ])
  return {
    deliveries: rows.filter(({ delivery_id }) => delivery_id !== null).map(row => ({ ...row, lease_id })),
    isFull: rows[0]?.is_full ?? false,
    hasBlocked: rows[0]?.has_blocked ?? false,
  }
}

/** Extends leases that are still this worker's. @returns the ids of these deliveries */
export async function extendLeases(
  sql: Sql,
  deliveries: readonly LeasedDelivery[],
): Promise<ReadonlySet<string>> {
  const rows = await sql.query<{ delivery_id: string }>(extendSql, leasesOf(deliveries))
  return new Set(rows.map(({ delivery_id }) => delivery_id))
}

/** Returns deliveries that were not sent: the attempt does not count. */
export async function returnDeliveries(sql: Sql, deliveries: readonly LeasedDelivery[]): Promise<void> {
  await sql.execute(returnSql, leasesOf(deliveries))
}

function leasesOf(deliveries: readonly LeasedDelivery[]): Buffer[] {
  return [
    uuids(deliveries.map(({ webhook_id }) => webhook_id)),
    uuids(deliveries.map(({ delivery_id }) => delivery_id)),
    uuids(deliveries.map(({ lease_id }) => lease_id)),
  ]
}

const leasedUntil = `clock_timestamp() + interval '${LEASE_SECONDS} seconds'`

const firstDue = (condition: string) => `
    select q.webhook_id, q.next_attempt_at
    from webhook_deliveries as q
    where q.state = '${PENDING}'
      and q.next_attempt_at is not null
      ${condition}
    order by q.webhook_id, q.next_attempt_at
    limit 1`

/**
 * Webhooks come in random order, so that none is preferred when the worker's whole capacity is
 * used. Paused ones are skipped. Locked rows are found by their physical position: by an index, a
 * plan that was made while the table was empty could read all of it. `leased` reads `blocked` to
 * run after it: a row that the same statement has updated cannot be locked.
 */
const claimSql = `
  with recursive queued as (
    (${firstDue('')})
    union all
    select n.webhook_id, n.next_attempt_at
    from queued
    cross join lateral (${firstDue('and q.webhook_id > queued.webhook_id')}) as n
  ),
  capacity as materialized (
    select webhook_id, $3::integer - coalesce(b.count, 0) as free
    from queued
    left join unnest($1::uuid[], $2::integer[]) as b (webhook_id, count) using (webhook_id)
    where next_attempt_at <= now()
      and coalesce(b.count, 0) < $3::integer
      and not exists (
        select 1
        from webhooks as w
        where w.webhook_id = queued.webhook_id
          and w.paused_at is not null
      )
    order by random()
  ),
  due as materialized (
    select d.*
    from capacity
    cross join lateral (
      select q.ctid as row_id, q.webhook_id, q.order_id, q.sequence, q.requested_at
      from webhook_deliveries as q
      where q.state = '${PENDING}'
        and q.webhook_id = capacity.webhook_id
        and q.next_attempt_at <= now()
        and (q.leased_until is null or q.leased_until < now())
      order by q.next_attempt_at, q.delivery_id
      limit capacity.free
      for update skip locked
    ) as d
    limit $4
  ),
  checked as materialized (
    select d.row_id, d.webhook_id,
      (
        select p.delivery_id
        from webhook_deliveries as p
        where p.state = '${PENDING}'
          and p.webhook_id = d.webhook_id
          and p.order_id = d.order_id
          and p.sequence < d.sequence
          and p.requested_at is null
          and d.requested_at is null
        order by p.sequence
        limit 1
      ) as blocked_by,
      d.requested_at is null and exists (
        select 1
        from outbox_events as e
        where e.order_id = d.order_id
          and ${sinceOrderSql('d')}
          and e.dispatched_at is null
          and e.quarantined_at is null
          and ${sequenceSql} < d.sequence
      ) as is_early
    from due as d
  ),
  blocked as materialized (
    select c.row_id
    from checked as c
    cross join lateral (
      select 1
      from webhook_deliveries as p
      where p.webhook_id = c.webhook_id
        and p.delivery_id = c.blocked_by
        and p.settled_at is null
      limit 1
      for share skip locked
    ) as p
  ),
  parked as (
    update webhook_deliveries
    set next_attempt_at = null
    where ctid = any(array(select row_id from blocked))
  ),
  postponed as (
    update webhook_deliveries
    set next_attempt_at = clock_timestamp() + interval '${EARLY_SECONDS} seconds'
    where ctid = any(array(select row_id from checked where blocked_by is null and is_early))
  ),
  leased as (
    update webhook_deliveries
    set lease_id = $5, leased_until = ${leasedUntil}, tries = tries + 1
    where ctid = any(array(select row_id from checked where blocked_by is null and not is_early))
      and (select count(*) from blocked) >= 0
      and (select set_config('synchronous_commit', 'off', true)) = 'off'
    returning delivery_id, webhook_id, event_id, type, restaurant_id, order_id, tries, requested_at is not null as requested
  )
  select found.*, sent.*
  from (
    select
      exists (
        select 1
        from checked
        join capacity using (webhook_id)
        group by webhook_id, free
        having count(*) >= free
      ) or (select count(*) from due) >= $4 as is_full,
      (select count(*) from checked) > (select count(*) from leased) as has_blocked
  ) as found
  left join (
    select d.*, coalesce(w.url, '') as url, coalesce(w.status, 'DELETED') as webhook_status, o.payload, o.trace_context,
      array(
        select s.secret
        from webhook_secrets as s
        where s.webhook_id = w.webhook_id
          and (s.expires_at is null or s.expires_at > clock_timestamp())
        order by s.created_at desc
      ) as secrets
    from leased as d
    left join webhooks as w on w.webhook_id = d.webhook_id
    left join outbox_events as o
      on o.event_id = d.event_id
      and o.restaurant_id = d.restaurant_id
  ) as sent on true
`

/** The ids stand twice, so that no plan reads more than the rows of these ids. */
const ofLeases = `
  from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as l (webhook_id, delivery_id, lease_id)
  where d.webhook_id = any($1::uuid[])
    and d.delivery_id = any($2::uuid[])
    and d.delivery_id = l.delivery_id
    and d.lease_id = l.lease_id`

const extendSql = `
  update webhook_deliveries as d
  set leased_until = ${leasedUntil}
  ${ofLeases}
  returning d.delivery_id
`

const returnSql = `
  update webhook_deliveries as d
  set lease_id = null, leased_until = null, tries = d.tries - 1
  ${ofLeases}
`
