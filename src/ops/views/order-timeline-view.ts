import { eventRoutingSql } from './event-routing-sql.ts'
import { attemptsSql } from './job-views.ts'
import type { View } from './view.ts'

/** The jobs of events: the first job of each event in each queue, and the jobs of redrives. */
const jobsOfEvents = `
  select e.order_id, e.event_id, e.type, j.*
  from outbox_events as e
  join (values ${eventRoutingSql}) as r (type, queue) using (type)
  join pgboss.job as j
    on j.name = r.queue
    and j.id = e.event_id
  union all
  select l.order_id, l.event_id, l.event_type, j.*
  from dead_letters as l
  join pgboss.job as j
    on j.name = l.queue
    and j.id = l.redriven_job_id`

export const orderTimelineView: View = {
  name: 'order_timeline',
  comment:
    'History of an order, oldest entry first: select by order_id. Events are kept for OUTBOX_RETENTION_MINUTES, jobs for JOB_RETENTION_MINUTES after their end',
  columns: {
    order_id: 'id of the order',
    at: 'time of the entry',
    kind: 'TRANSITION: status change, or the order is ready or not; EVENT: event written; JOB: job queued, started or ended; STEP: chained step done in the transaction that emitted its event; MOVEMENT: stock movement; DELIVERY: webhook delivery pending, attempted or finished; DEAD_LETTER: job dead, or its dead letter decided',
    what: 'short description',
    event_id: 'event of the entry',
    job_id: 'job or delivery of the entry',
    attempts: 'attempts at the job so far',
    error: 'error of the job, dead letter, delivery or quarantined event',
    details: 'further data as JSON',
  },
  sql: `
    select t.order_id, t.at, t.kind, t.what, t.event_id, t.job_id, t.attempts, t.error, t.details
    from (
      select order_id, at, 1 as place, 'TRANSITION' as kind, case fact
          when 'READY' then 'PREPARING, ready'
          when 'UNREADY' then 'PREPARING, not ready any more'
          else coalesce(from_status || ' → ', '') || to_status
        end as what,
        null::uuid as event_id, null::uuid as job_id, null::integer as attempts, null::text as error,
        jsonb_strip_nulls(jsonb_build_object('seq', seq, 'fact', fact, 'actor', actor, 'by', by, 'reason', reason)) as details
      from order_transitions
      union all
      select order_id, created_at, 2, 'EVENT',
        type || case
          when quarantined_at is not null then ' quarantined'
          when dispatched_at is null then ' is not dispatched yet'
          else ' dispatched after ' || round(extract(epoch from dispatched_at - created_at) * 1000) || ' ms'
        end,
        event_id, null, null, error, jsonb_build_object('payload', payload, 'trace_context', trace_context)
      from outbox_events
      union all
      select order_id, created_on, 3, 'JOB', name || ' queued', event_id, id,
        ${attemptsSql}, null,
        jsonb_build_object('state', state)
      from (${jobsOfEvents}) as queued
      union all
      select order_id, started_on, 4, 'JOB', name || ' started', event_id, id, ${attemptsSql}, null, null
      from (${jobsOfEvents}) as started
      where started_on is not null
      union all
      select order_id, coalesce(completed_on, started_on), 6, 'JOB',
        name || case
          when state = 'retry' then ' failed, retry at ' || to_char(start_after at time zone 'UTC', 'HH24:MI:SS') || ' UTC'
          else ' ' || state::text
        end,
        event_id, id, ${attemptsSql},
        case when state <> 'completed' then coalesce(output ->> 'message', output::text) end, null
      from (${jobsOfEvents}) as ended
      where completed_on is not null
        or state = 'retry'
      union all
      select e.order_id, p.processed_at, 5, 'STEP', p.consumer || ' done in the transaction of its event', e.event_id,
        null, null, null, null
      from outbox_events as e
      join (values ${eventRoutingSql}) as r (type, queue) using (type)
      join processed_events as p on p.event_id = e.event_id and p.consumer = r.queue
      where not exists (
          select 1
          from pgboss.job as j
          where j.name = r.queue
            and j.id = e.event_id
        )
        and p.processed_at <= e.dispatched_at
      union all
      select m.order_id, m.at, 5, 'MOVEMENT', m.kind || ' ' || m.delta || ' ' || i.name, m.event_id, null, null, null,
        jsonb_build_object('menu_item_id', m.menu_item_id, 'delta', m.delta)
      from stock_movements as m
      join menu_items as i
        on i.menu_item_id = m.menu_item_id
        and i.restaurant_id = m.restaurant_id
      where m.order_id is not null
      union all
      select order_id, dead_at, 7, 'DEAD_LETTER', queue || ' became a dead letter', event_id, job_id, attempts,
        coalesce(error ->> 'message', error::text), jsonb_build_object('dead_letter_id', dead_letter_id)
      from dead_letters
      union all
      select order_id, fate_at, 8, 'DEAD_LETTER', queue || ' dead letter ' || lower(fate), event_id, redriven_job_id, null,
        null, jsonb_build_object('dead_letter_id', dead_letter_id)
      from dead_letters
      where fate_at is not null
      union all
      select e.order_id, a.at, 9, 'DELIVERY',
        e.type || ' to ' || substring(w.url from '^[a-z]+://([^/?#]+)') || coalesce(': ' || a.status, ': no answer'),
        e.event_id, d.delivery_id, null, a.error,
        jsonb_strip_nulls(jsonb_build_object('delivery_id', d.delivery_id, 'webhook_id', d.webhook_id,
          'duration_ms', a.duration_ms, 'status', a.status, 'answer', a.answer))
      from outbox_events as e
      join webhook_deliveries as d on d.event_id = e.event_id
      join webhook_attempts as a on a.delivery_id = d.delivery_id
      join webhooks as w on w.webhook_id = d.webhook_id
      union all
      select e.order_id, d.settled_at, 10, 'DELIVERY',
        e.type || ' to ' || substring(w.url from '^[a-z]+://([^/?#]+)') || ' ' || lower(d.state),
        e.event_id, d.delivery_id, d.attempts, d.reason,
        jsonb_build_object('delivery_id', d.delivery_id, 'webhook_id', d.webhook_id)
      from outbox_events as e
      join webhook_deliveries as d on d.event_id = e.event_id
      join webhooks as w on w.webhook_id = d.webhook_id
      where d.settled_at is not null
      union all
      select e.order_id, d.created_at, 8, 'DELIVERY',
        e.type || ' to ' || substring(w.url from '^[a-z]+://([^/?#]+)') || case
          when d.leased_until > now() then ' is being sent'
          when d.next_attempt_at is null then ' is blocked by an earlier delivery'
          when d.next_attempt_at <= now() then ' is due'
          else ' failed, retry at ' || to_char(d.next_attempt_at at time zone 'UTC', 'HH24:MI:SS') || ' UTC'
        end,
        e.event_id, d.delivery_id, d.attempts, null,
        jsonb_build_object('delivery_id', d.delivery_id, 'webhook_id', d.webhook_id)
      from outbox_events as e
      join webhook_deliveries as d on d.event_id = e.event_id
      join webhooks as w on w.webhook_id = d.webhook_id
      where d.settled_at is null
    ) as t
    order by t.order_id, t.at, t.place`,
}
