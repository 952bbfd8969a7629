import { DEAD_LETTER_QUEUE } from '../../jobs/queues.ts'
import { eventRoutingSql } from '../views/event-routing-sql.ts'
import { isHeldSql } from '../views/held-events-sql.ts'
import { keptSince } from '../views/kept-since.ts'
import type { View } from '../views/view.ts'

/** Longest time from commit to dispatch that is not a violation. */
const DISPATCH_BOUND_SECONDS = 60

/**
 * Condition: event `e` has a job `j` in queue `r.queue` that satisfies `condition`. The job is the
 * first one, which has the id of the event, or one created by a redrive. Two subqueries, so that
 * each uses the primary key of the jobs; a single one would read all jobs of the queue.
 */
const hasJob = (condition: string) => `(
    exists (
      select 1
      from pgboss.job as j
      where j.name = r.queue
        and j.id = e.event_id
        and ${condition}
    )
    or exists (
      select 1
      from dead_letters as l
      join pgboss.job as j on j.id = l.redriven_job_id and j.name = l.queue
      where l.event_id = e.event_id
        and l.queue = r.queue
        and ${condition}
    )
  )`

/** Condition: a job that records the event `e` in `dead_letters` is not finished. */
const deadLetterPending = `
  exists (
    select 1
    from pgboss.job as d
    where d.name = '${DEAD_LETTER_QUEUE}'
      and d.state < 'completed'
      and d.data ->> 'event_id' = e.event_id::text
  )`

const event = { event_id: 'id of the event', type: 'type of the event', order_id: 'order of the event' }

/** Every order has its event, every event has its jobs, and no event or job disappears. */
export const eventInvariants: View[] = [
  {
    name: 'check_placed_events',
    comment:
      'Orders whose events are kept, without exactly one order.placed.v1, and order.placed.v1 events without an order',
    columns: {
      order_id: 'id of the order',
      event_count: 'number of order.placed.v1 events of the order',
      has_order: 'whether the order exists',
    },
    sql: `
      select coalesce(o.order_id, e.order_id), coalesce(e.event_count, 0), o.order_id is not null
      from orders as o
      full join (
        select order_id, restaurant_id, count(*) as event_count
        from outbox_events
        where type = 'order.placed.v1'
        group by order_id, restaurant_id
      ) as e using (order_id, restaurant_id)
      where o.order_id is null
        or (coalesce(e.event_count, 0) <> 1 and o.placed_at > ${keptSince('outbox_events')})`,
  },
  {
    name: 'check_events_dispatched',
    comment: `Events that were not dispatched within ${DISPATCH_BOUND_SECONDS} s, and are not held because a queue is full`,
    columns: { ...event, waiting_seconds: 'seconds since the event was written' },
    sql: `
      select e.event_id, e.type, e.order_id, extract(epoch from now() - e.created_at)
      from outbox_events as e
      where e.dispatched_at is null
        and e.quarantined_at is null
        and e.created_at < now() - interval '${DISPATCH_BOUND_SECONDS} seconds'
        and not ${isHeldSql}`,
  },
  {
    name: 'check_events_accounted',
    comment:
      'Dispatched events that a consumer has not processed, without an unfinished job and without a dead letter',
    columns: { ...event, queue: 'queue that lost the event' },
    sql: `
      select e.event_id, e.type, e.order_id, r.queue
      from outbox_events as e
      join (values ${eventRoutingSql}) as r (type, queue, start_at) using (type)
      where e.dispatched_at is not null
        and (r.start_at is null or e.payload ->> r.start_at is not null)
        and e.created_at > ${keptSince('processed_events')}
        and not exists (
          select 1
          from processed_events as p
          where p.event_id = e.event_id
            and p.consumer = r.queue
        )
        and not ${hasJob("j.state <> 'completed'")}
        and not ${deadLetterPending}
        and not exists (
          select 1
          from dead_letters as l
          where l.event_id = e.event_id
            and l.queue = r.queue
            and l.fate <> 'REDRIVEN'
        )`,
  },
  {
    name: 'check_jobs_once',
    comment:
      'Events with more than one unfinished job in a queue, jobs in queues that their event is not routed to, and first jobs of events that are already processed',
    columns: {
      event_id: 'id of the event',
      queue: 'queue of the jobs',
      job_count: 'unfinished jobs of the event in the queue',
    },
    sql: `
      select (j.data ->> 'event_id')::uuid, j.name, count(*)
      from pgboss.job as j
      left join (values ${eventRoutingSql}) as r (type, queue)
        on r.type = j.data ->> 'type'
        and r.queue = j.name
      left join processed_events as p
        on p.event_id = j.id
        and p.consumer = j.name
      where j.name in (select queue from (values ${eventRoutingSql}) as r (type, queue))
        and j.state < 'completed'
      group by j.data ->> 'event_id', j.name
      having count(*) > 1
        or bool_or(r.queue is null)
        or bool_or(p.event_id is not null)`,
  },
  {
    name: 'check_dead_letters',
    comment: 'Jobs that used up their attempts and are not recorded in dead_letters, nor about to be',
    columns: {
      job_id: 'id of the job',
      queue: 'queue of the job',
      failed_at: 'when the last attempt failed',
    },
    sql: `
      select j.id, j.name, j.completed_on
      from pgboss.job as j
      where j.state = 'failed'
        and j.name in (select queue from (values ${eventRoutingSql}) as r (type, queue))
        and not exists (
          select 1
          from dead_letters as l
          where l.job_id = j.id
            and l.queue = j.name
        )
        and not exists (
          select 1
          from pgboss.job as d
          where d.name = '${DEAD_LETTER_QUEUE}'
            and d.source_id = j.id
            and d.state < 'completed'
        )`,
  },
]
