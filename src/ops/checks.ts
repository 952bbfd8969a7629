import { DEAD_LETTER_QUEUE, DELIVERY_QUEUE } from '../jobs/catalogue.ts'
import { transitions } from '../orders/order.ts'
import { OUTBOX_RETENTION_DAYS } from './retention.ts'
import { routesSql } from './routes-sql.ts'
import type { View } from './view.ts'

/**
 * One view a promise (design §2); each returns no rows while it holds. They may be run under load: each statement sees
 * one snapshot, and what is still under way is no violation.
 *
 * Tables are held against their sums by full joins, which are hashed or merged: a plan made while statistics are old
 * could otherwise go through one side for each row of the other.
 */

/** Longest a committed event may wait for a dispatcher before that counts as a fault. */
const DISPATCH_BOUND_SECONDS = 60

/** Longest a delivery may wait for a worker's look after its wait has ended. */
const WAIT_BOUND_SECONDS = 60

const legalSteps = Object.entries(transitions)
  .flatMap(([from, tos]) => tos.map(to => `('${from}', '${to}')`))
  .join(', ')

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

/** Orders for which something is still to happen, or has been given up and lies with the operators. */
const ordersUnderWay = `
        select order_id
        from outbox_events
        where dispatched_at is null
        union
        select (data ->> 'order_id')::uuid
        from pgboss.job
        where state < 'completed'
          and name in (select queue from (values ${routesSql}) as r (type, queue) union select '${DEAD_LETTER_QUEUE}')
        union
        select order_id
        from dead_letters
        where fate <> 'REDRIVEN'
          and queue <> '${DELIVERY_QUEUE}'`

const item = { menu_item_id: 'the item', restaurant_id: 'its restaurant' }
const order = { order_id: 'the order', restaurant_id: 'its restaurant', status: 'its status' }
const event = { event_id: 'the event', type: 'its type', order_id: 'the order it is about' }

export const checks: View[] = [
  {
    name: 'check_stock_not_negative',
    comment: 'Items with less than nothing in stock',
    columns: { ...item, available_qty: 'what is said to be on hand' },
    sql: `
      select menu_item_id, restaurant_id, available_qty
      from menu_items
      where available_qty < 0`,
  },
  {
    name: 'check_stock_is_its_ledger',
    comment: 'Items whose stock is not the sum of their movements',
    columns: { ...item, available_qty: 'what is said to be on hand', ledger_qty: 'sum of its movements' },
    sql: `
      select menu_item_id, restaurant_id, i.available_qty, coalesce(m.ledger_qty, 0)
      from menu_items as i
      full join (
        select menu_item_id, restaurant_id, sum(delta) as ledger_qty
        from stock_movements
        group by menu_item_id, restaurant_id
      ) as m using (menu_item_id, restaurant_id)
      where i.available_qty is distinct from coalesce(m.ledger_qty, 0)`,
  },
  {
    name: 'check_order_effects',
    comment:
      'Orders that hold more or less stock than their status calls for, with nothing under way that would mend it',
    columns: {
      ...order,
      menu_item_id: 'the item',
      quantity: 'ordered',
      moved_qty: 'sum of the order’s movements of it',
    },
    sql: `
      select order_id, restaurant_id, o.status, menu_item_id, coalesce(i.quantity, 0), coalesce(m.moved_qty, 0)
      from order_items as i
      full join (
        select order_id, restaurant_id, menu_item_id, sum(delta) as moved_qty
        from stock_movements
        where order_id is not null
        group by order_id, restaurant_id, menu_item_id
      ) as m using (order_id, restaurant_id, menu_item_id)
      full join orders as o using (order_id, restaurant_id)
      full join (${ordersUnderWay}
      ) as under_way using (order_id)
      where coalesce(m.moved_qty, 0) <> case o.status when 'CANCELLED' then 0 else -coalesce(i.quantity, 0) end
        and (under_way.order_id is null or o.status not in ('PLACED', 'CANCELLED'))`,
  },
  {
    name: 'check_effects_once',
    comment:
      'Deductions and restorations that happened more than once for an order and item, or restored what was not deducted',
    columns: {
      order_id: 'the order',
      ...item,
      deductions: 'how often deducted',
      restorations: 'how often restored',
    },
    sql: `
      select order_id, menu_item_id, restaurant_id, deductions, restorations
      from (
        select order_id, menu_item_id, restaurant_id,
          count(*) filter (where kind = 'DEDUCT') as deductions,
          count(*) filter (where kind = 'RESTORE') as restorations
        from stock_movements
        where order_id is not null
        group by order_id, menu_item_id, restaurant_id
      ) as effects
      where deductions > 1
        or restorations > deductions`,
  },
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
      join (values ${routesSql}) as r (type, queue) using (type)
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
      left join (values ${routesSql}) as r (type, queue)
        on r.type = j.data ->> 'type'
        and r.queue = j.name
      where j.name in (select queue from (values ${routesSql}) as r (type, queue))
        and j.state < 'completed'
      group by j.data ->> 'event_id', j.name
      having count(*) > 1
        or bool_or(r.queue is null)`,
  },
  {
    name: 'check_history',
    comment: 'Orders whose history has a gap or a step that is not allowed, or does not end in their status',
    columns: {
      ...order,
      steps: 'lines of history',
      last_seq: 'number of the last',
      last_status: 'where the last leads',
    },
    sql: `
      select order_id, restaurant_id, o.status, h.steps, h.last_seq, h.last_status
      from orders as o
      full join (
        select order_id, restaurant_id, count(*) as steps, max(seq) as last_seq,
          (array_agg(to_status order by seq desc))[1] as last_status,
          bool_and(
            case seq
              when 1 then from_status is null and to_status = 'PLACED'
              else from_status = previous and (from_status, to_status) in (${legalSteps})
            end
          ) as legal
        from (
          select *, lag(to_status) over (partition by order_id, restaurant_id order by seq) as previous
          from order_transitions
        ) as steps
        group by order_id, restaurant_id
      ) as h using (order_id, restaurant_id)
      where h.legal is not true
        or h.steps <> h.last_seq
        or h.last_seq <> o.version
        or h.last_status <> o.status`,
  },
  {
    name: 'check_dead_letters',
    comment: 'Jobs that failed for good and are neither recorded in dead_letters nor on their way there',
    columns: { job_id: 'the job', queue: 'its queue', failed_at: 'when it failed for good' },
    sql: `
      select j.id, j.name, j.completed_on
      from pgboss.job as j
      where j.state = 'failed'
        and j.name in (select queue from (values ${routesSql}) as r (type, queue) union select '${DELIVERY_QUEUE}')
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
  {
    name: 'check_deliveries_made',
    comment: 'Dispatched events that an active webhook hears of, and has no delivery of',
    columns: { ...event, webhook_id: 'the webhook' },
    sql: `
      select e.event_id, e.type, e.order_id, w.webhook_id
      from webhooks as w
      join outbox_events as e
        on e.created_at > w.updated_at
        and e.type like any (w.type_patterns)
        and (w.restaurant_ids is null or e.restaurant_id = any (w.restaurant_ids))
      where w.status = 'ACTIVE'
        and e.dispatched_at is not null
        and not exists (
          select 1
          from webhook_deliveries as d
          where d.event_id = e.event_id
            and d.webhook_id = w.webhook_id
        )`,
  },
  {
    name: 'check_deliveries_accounted',
    comment: `Deliveries that nothing will come of: to be sent, without a job; or waiting for more than ${WAIT_BOUND_SECONDS} s for nothing; or dead, without a dead letter`,
    columns: {
      delivery_id: 'the delivery',
      webhook_id: 'its webhook',
      event_id: 'its event',
      state: 'its state',
    },
    sql: `
      select d.delivery_id, d.webhook_id, d.event_id, d.state
      from webhook_deliveries as d
      where case d.state
          when 'QUEUED' then not exists (
            select 1
            from pgboss.job as j
            where j.name = '${DELIVERY_QUEUE}'
              and j.id = coalesce(d.job_id, d.delivery_id)
              and j.state < 'completed'
          )
          when 'AWAITS_TURN' then greatest(d.created_at, d.requested_at) < now() - interval '${WAIT_BOUND_SECONDS} seconds'
            and not exists (
              select 1
              from webhook_deliveries as p
              where p.webhook_id = d.webhook_id
                and p.order_id = d.order_id
                and p.sequence < d.sequence
                and p.state in ('QUEUED', 'AWAITS_TURN', 'AWAITS_ROOM')
            )
          when 'AWAITS_ROOM' then greatest(d.created_at, d.requested_at) < now() - interval '${WAIT_BOUND_SECONDS} seconds'
            and not exists (
              select 1
              from webhook_deliveries as p
              where p.webhook_id = d.webhook_id
                and p.state = 'QUEUED'
            )
          when 'DEAD' then not exists (
            select 1
            from dead_letters as l
            where l.event_id = d.event_id
              and l.queue = '${DELIVERY_QUEUE}'
          )
          else false
        end
        and not exists (
          select 1
          from pgboss.job as x
          where x.name = '${DEAD_LETTER_QUEUE}'
            and x.state < 'completed'
            and x.data ->> 'delivery_id' = d.delivery_id::text
        )`,
  },
]
