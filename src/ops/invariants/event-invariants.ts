import { DEAD_LETTER_QUEUE, DELIVERY_QUEUE } from '../../jobs/queues.ts'
import { OUTBOX_RETENTION_DAYS } from '../../platform/retention.ts'
import { eventRoutingSql } from '../views/event-routing-sql.ts'
import type { View } from '../views/view.ts'

/** Longest a committed event may wait for a dispatcher before that counts as a fault. */
const DISPATCH_BOUND_SECONDS = 60

/**
 * Whether an event `e` has a job `j` like this in a queue `r.queue`: the first, whose id is the event's, or one that a
 * redrive made. Two questions, each answered by the jobs' key: asked as one, all jobs of the queue would be read.
 */
const hasJob = (like: string) => `(
    exists (
      select 1
      from pgboss.job as j
      where j.name = r.queue
        and j.id = e.event_id
        and ${like}
    )
    or exists (
      select 1
      from dead_letters as l
      join pgboss.job as j on j.id = l.redriven_job_id and j.name = l.queue
      where l.event_id = e.event_id
        and l.queue = r.queue
        and ${like}
    )
  )`

/** A dead letter of the event that is on its way to our own record. */
const deadLetterUnderWay = `
  exists (
    select 1
    from pgboss.job as d
    where d.name = '${DEAD_LETTER_QUEUE}'
      and d.state < 'completed'
      and d.data ->> 'event_id' = e.event_id::text
  )`

const event = { event_id: 'the event', type: 'its type', order_id: 'the order it is about' }

/** Every order has its event, every event its jobs, and none of either disappears. */
export const eventInvariants: View[] = [
  {
    name: 'check_placed_events',
    comment: `Orders of the last ${OUTBOX_RETENTION_DAYS} days that do not have exactly one order.placed.v1, and such events without an order`,
    columns: {
      order_id: 'the order',
      event_count: 'how many order.placed.v1 it has',
      has_order: 'whether there is an order',
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
        or (coalesce(e.event_count, 0) <> 1 and o.placed_at > now() - interval '${OUTBOX_RETENTION_DAYS} days')`,
  },
  {
    name: 'check_events_dispatched',
    comment: `Events that have waited for a dispatcher for more than ${DISPATCH_BOUND_SECONDS} s`,
    columns: { ...event, waiting_seconds: 'since it was written' },
    sql: `
      select event_id, type, order_id, extract(epoch from now() - created_at)
      from outbox_events
      where dispatched_at is null
        and quarantined_at is null
        and created_at < now() - interval '${DISPATCH_BOUND_SECONDS} seconds'`,
  },
  {
    name: 'check_events_accounted',
    comment:
      'Dispatched events that a consumer has neither processed, nor has waiting as a job, nor has as a dead letter',
    columns: { ...event, queue: 'where it is missing' },
    sql: `
      select e.event_id, e.type, e.order_id, r.queue
      from outbox_events as e
      join (values ${eventRoutingSql}) as r (type, queue) using (type)
      where e.dispatched_at is not null
        and not exists (
          select 1
          from processed_events as p
          where p.event_id = e.event_id
            and p.consumer = r.queue
        )
        and not ${hasJob("j.state <> 'completed'")}
        and not ${deadLetterUnderWay}
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
      'Events with more than one unfinished job in a queue, and jobs in queues that their event does not lead to',
    columns: { event_id: 'the event', queue: 'the queue', job_count: 'unfinished jobs' },
    sql: `
      select (j.data ->> 'event_id')::uuid, j.name, count(*)
      from pgboss.job as j
      left join (values ${eventRoutingSql}) as r (type, queue)
        on r.type = j.data ->> 'type'
        and r.queue = j.name
      where j.name in (select queue from (values ${eventRoutingSql}) as r (type, queue))
        and j.state < 'completed'
      group by j.data ->> 'event_id', j.name
      having count(*) > 1
        or bool_or(r.queue is null)`,
  },
  {
    name: 'check_dead_letters',
    comment: 'Jobs that failed for good and are neither recorded in dead_letters nor on their way there',
    columns: { job_id: 'the job', queue: 'its queue', failed_at: 'when it failed for good' },
    sql: `
      select j.id, j.name, j.completed_on
      from pgboss.job as j
      where j.state = 'failed'
        and j.name in (select queue from (values ${eventRoutingSql}) as r (type, queue) union select '${DELIVERY_QUEUE}')
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
