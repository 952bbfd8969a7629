import { DELIVERIES } from '../../webhooks/deliveries.ts'
import { byFateSql } from './by-fate-sql.ts'
import { eventRoutingSql } from './event-routing-sql.ts'
import { waitingEventsSql } from './held-events-sql.ts'
import { MAX_LISTED, STUCK_AFTER_SECONDS } from './job-views.ts'
import { keptSince } from './kept-since.ts'
import type { View } from './view.ts'

/** Latest orders that are searched for PLACED orders without pending work. */
const RECENT_ORDERS = 2_000

const stuckBound = `interval '${STUCK_AFTER_SECONDS} seconds'`

/**
 * Reads unfinished events and jobs, not orders: an index of PLACED orders would slow down every
 * placement. Excludes webhook deliveries, since no order depends on them.
 */
export const stuckOrdersView: View = {
  name: 'stuck_orders',
  comment: `Orders whose next step is more than ${STUCK_AFTER_SECONDS} s late, with the reason; at most ${MAX_LISTED} per queue and reason`,
  columns: {
    order_id: 'id of the order',
    restaurant_id: 'restaurant of the order',
    status: 'status of the order',
    placed_at: 'when the order was placed',
    reason: `NOT_DISPATCHED: the event is still in the outbox, and not held because a queue is full; QUARANTINED: the event cannot be dispatched; PAUSED, WAITING, RETRYING, SILENT, OVERDUE: state of the job, see ops.stuck_jobs; DEAD_LETTER: the job used up its attempts; LOST: PLACED without pending work (among the latest ${RECENT_ORDERS} orders)`,
    stuck_seconds: 'how long the order has been stuck',
    event_id: 'event that is not handled yet',
    event_type: 'type of the event',
    queue: 'queue of the job',
    job_id: 'id of the job',
    attempts: 'attempts at the job so far',
    max_attempts: 'attempts after which the job becomes a dead letter',
    next_attempt_at: 'when the job is retried; null: no retry is scheduled',
    error: 'error of the last attempt or of the dispatcher',
  },
  sql: `
    select s.order_id, o.restaurant_id, o.status, o.placed_at, s.reason, s.stuck_seconds, s.event_id, s.event_type,
      s.queue, s.job_id, s.attempts, s.max_attempts, s.next_attempt_at, s.error
    from (
      (
        select order_id, 'NOT_DISPATCHED' as reason, extract(epoch from now() - created_at)::numeric(12, 1) as stuck_seconds,
          event_id, type as event_type, null::text as queue, null::uuid as job_id, null::integer as attempts,
          null::integer as max_attempts, null::timestamptz as next_attempt_at, null::text as error
        from (${waitingEventsSql(MAX_LISTED, `e.created_at < now() - ${stuckBound}`)}) as waiting
        order by event_id
        limit ${MAX_LISTED}
      )
      union all
      (
        select order_id, 'QUARANTINED', extract(epoch from now() - quarantined_at)::numeric(12, 1),
          event_id, type, null, null, null, null, null, error
        from outbox_events
        where quarantined_at is not null
        order by quarantined_at
        limit ${MAX_LISTED}
      )
      union all
      select order_id, reason, stuck_seconds, event_id, event_type, queue, job_id, attempts, max_attempts,
        next_attempt_at, error
      from ops.stuck_jobs
      where order_id is not null
      union all
      (
        select order_id, 'DEAD_LETTER', extract(epoch from now() - dead_at)::numeric(12, 1),
          event_id, event_type, queue, job_id, attempts, attempts, null, coalesce(error ->> 'message', error::text)
        from dead_letters
        where fate = 'OPEN'
          and ${byFateSql(`'OPEN'`)}
          and order_id is not null
          and queue <> '${DELIVERIES}'
        order by dead_at
        limit ${MAX_LISTED}
      )
      union all
      select r.order_id, 'LOST', extract(epoch from now() - r.placed_at)::numeric(12, 1),
        null, null, null, null, null, null, null, null
      from (
        select order_id, placed_at
        from (
          select order_id, status, placed_at
          from orders
          order by order_id desc
          limit ${RECENT_ORDERS}
        ) as recent
        where status = 'PLACED'
          and placed_at < now() - ${stuckBound}
          and placed_at > ${keptSince('outbox_events')}
        order by order_id
        limit ${MAX_LISTED}
      ) as r
      where not exists (
        select 1
        from outbox_events as e
        left join (values ${eventRoutingSql}) as t (type, queue) using (type)
        where e.order_id = r.order_id
          and (
            e.dispatched_at is null
            or exists (
              select 1
              from pgboss.job as j
              where j.name = t.queue
                and j.id = e.event_id
                and j.state < 'completed'
            )
            or exists (
              select 1
              from dead_letters as l
              join pgboss.job as j
                on j.name = l.queue
                and j.id = coalesce(l.redriven_job_id, l.job_id)
              where l.event_id = e.event_id
                and (l.fate = 'OPEN' or (l.fate = 'REDRIVEN' and j.state < 'completed'))
            )
          )
      )
    ) as s
    join orders as o using (order_id)`,
}
