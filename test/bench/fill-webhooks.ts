import type { ClientBase } from 'pg'
import { DELIVERY_QUEUE, deliveryQueue } from '../../src/jobs/queues.ts'

const WEBHOOKS = 50
/** With two restaurants per webhook, every restaurant has a webhook. */
const RESTAURANTS_EACH = 2
/** One in 20 deliveries succeeds at the second attempt. */
const SECOND_ATTEMPT_EVERY = 20
/** Pending deliveries of the failing webhook, and as many of the slow one. */
const WAITING_COUNT = 10_000
/** Pending deliveries per webhook that have a job. */
const QUEUED_COUNT = 10
const DEAD_COUNT = 500

/**
 * Fills the webhook tables for the events of `fillTables`: two deliveries per order, with their
 * attempts and the jobs that pg-boss keeps for a day. Most are delivered. One webhook fails, one is
 * too slow, one has dead letters, and three are disabled, gone or deleted.
 */
export async function fillWebhooks(client: ClientBase): Promise<void> {
  await client.query(`set synchronous_commit = off; set work_mem = '256MB'`)
  for (const statement of statements) await client.query(statement)
  await client.query('drop table pending; reset work_mem')
  await client.query('vacuum analyze')
  await client.query('checkpoint')
}

/** Makes half of the deliveries pending again, as if no worker had run for ten minutes. */
export async function makeDeliveryBacklog(client: ClientBase): Promise<void> {
  await client.query(
    `update webhook_deliveries set state = 'QUEUED', settled_at = null, attempts = 0
    where type = 'order.status.preparing.v1'
      and state = 'DELIVERED'`,
  )
  await client.query(
    `update pgboss.job as j
    set state = 'created', completed_on = null, started_on = null, start_after = now() - interval '10 minutes'
    from webhook_deliveries as d
    where j.name = '${DELIVERY_QUEUE}'
      and j.id = d.delivery_id
      and d.state = 'QUEUED'
      and j.state = 'completed'`,
  )
  await client.query(
    `delete from webhook_attempts as a
    using webhook_deliveries as d
    where d.delivery_id = a.delivery_id
      and d.state = 'QUEUED'
      and d.attempts = 0`,
  )
  await client.query('vacuum analyze webhook_deliveries, webhook_attempts')
  await client.query('vacuum analyze pgboss.job')
}

const webhook = (n: string) => `('00000000-0000-7000-a000-' || lpad(to_hex(${n}), 12, '0'))::uuid`
/** Selects the latest `count` deliveries of webhook `n`, numbered from the oldest. */
const latest = (n: number, count: number) => `
    select delivery_id, row_number() over (order by delivery_id) as place
    from (
      select delivery_id
      from webhook_deliveries
      where webhook_id = ${webhook(String(n))}
      order by delivery_id desc
      limit ${count}
    ) as latest`
const discarded = (n: number, reason: string) =>
  `update webhook_deliveries set state = 'DISCARDED', reason = '${reason}' where webhook_id = ${webhook(String(n))}`

const statements = [
  `insert into webhooks (webhook_id, owner, url, event_types, type_patterns, restaurant_ids, last_success_at)
  select ${webhook('n')}, 'owner ' || n, 'https://receiver-' || n || '.example/hook', '{order.*}', '{order.%}',
    array_agg(restaurant_id order by restaurant_id), now()
  from (
    select restaurant_id, ((row_number() over (order by restaurant_id) - 1) / ${RESTAURANTS_EACH})::integer as n
    from restaurants
  ) as numbered
  where n < ${WEBHOOKS}
  group by n`,
  `insert into webhook_deliveries (delivery_id, webhook_id, event_id, type, restaurant_id, order_id, sequence, state, attempts,
    created_at, settled_at)
  select uuidv7(e.created_at - now()), w.webhook_id, e.event_id, e.type, e.restaurant_id, e.order_id,
    case e.type when 'order.placed.v1' then 1 else 3 end, 'DELIVERED', 1, e.created_at, e.created_at + interval '30 ms'
  from outbox_events as e
  join webhooks as w on e.restaurant_id = any (w.restaurant_ids)
  where e.type like 'order.%'
    and e.dispatched_at is not null
  order by e.event_id`,
  `insert into webhook_attempts (delivery_id, attempt_id, at, status, duration_ms, answer)
  select delivery_id, uuidv7(created_at - now()), created_at, 200, 12, 'ok'
  from webhook_deliveries
  order by delivery_id`,
  `insert into webhook_attempts (delivery_id, attempt_id, at, status, duration_ms, error)
  select delivery_id, uuidv7(created_at - now() - interval '5 s'), created_at - interval '5 s', null, 15000, 'no answer within 15 s'
  from webhook_deliveries
  where hashtext(delivery_id::text) % ${SECOND_ATTEMPT_EVERY} = 0`,
  `insert into pgboss.job (id, name, data, state, retry_limit, created_on, start_after, started_on, completed_on, policy, dead_letter)
  select delivery_id, '${DELIVERY_QUEUE}', jsonb_build_object('delivery_id', delivery_id, 'webhook_id', webhook_id,
      'event_id', event_id, 'type', type, 'restaurant_id', restaurant_id, 'order_id', order_id),
    'completed', ${deliveryQueue.retryLimit}, created_at, created_at, created_at + interval '3 ms', created_at + interval '30 ms',
    'standard', '${deliveryQueue.deadLetter}'
  from webhook_deliveries
  order by delivery_id`,
  // Some of each kind of problem.
  `create temporary table pending as
  select delivery_id, failing, case when place <= ${QUEUED_COUNT} then 'QUEUED' else 'AWAITS_ROOM' end as state
  from (
    select delivery_id, place, true as failing
    from (${latest(0, WAITING_COUNT)}) as behind_failures
    union all
    select delivery_id, place, false
    from (${latest(1, WAITING_COUNT)}) as behind_others
  ) as waiting`,
  `update webhook_deliveries as d
  set state = u.state, settled_at = null, attempts = case when u.failing and u.state = 'QUEUED' then 4 else 0 end,
    next_attempt_at = case when u.failing and u.state = 'QUEUED' then now() + interval '1 hour' end
  from pending as u
  where d.delivery_id = u.delivery_id`,
  `update webhook_attempts as a
  set status = 503, answer = 'no', error = null
  from pending as u
  where a.delivery_id = u.delivery_id
    and u.failing
    and u.state = 'QUEUED'`,
  `delete from webhook_attempts as a
  using pending as u
  where a.delivery_id = u.delivery_id
    and u.state = 'AWAITS_ROOM'`,
  `update pgboss.job as j
  set state = case when u.failing then 'retry'::pgboss.job_state else 'created' end,
    retry_count = case when u.failing then 4 else 0 end, started_on = null, completed_on = null,
    start_after = now() + case when u.failing then interval '1 hour' else interval '0' end,
    output = case when u.failing then '{"message":"the receiver answered 503"}'::jsonb end
  from pending as u
  where j.name = '${DELIVERY_QUEUE}'
    and j.id = u.delivery_id
    and u.state = 'QUEUED'`,
  `update webhooks set failing_since = now() - interval '2 hours', last_success_at = now() - interval '2 hours'
  where webhook_id = ${webhook('0')}`,
  `update webhook_deliveries set state = 'DEAD', attempts = 10
  where delivery_id in (select delivery_id from (${latest(2, DEAD_COUNT)}) as dead)`,
  `update pgboss.job set state = 'failed', retry_count = ${deliveryQueue.retryLimit}, output = '{"message":"the receiver answered 400"}'
  where name = '${DELIVERY_QUEUE}'
    and id in (select delivery_id from (${latest(2, DEAD_COUNT)}) as dead)`,
  `insert into dead_letters (dead_letter_id, queue, job_id, event_id, event_type, order_id, data, error, attempts, first_queued_at, dead_at)
  select uuidv7(), j.name, j.id, d.event_id, d.type, d.order_id, j.data, j.output, d.attempts, d.created_at, d.settled_at
  from pgboss.job as j
  join webhook_deliveries as d on d.delivery_id = j.id
  where j.name = '${DELIVERY_QUEUE}'
    and j.state = 'failed'`,
  `update webhooks set status = 'DISABLED', disabled_reason = 'FAILING', disabled_at = now(), failing_since = now() - interval '5 days'
  where webhook_id = ${webhook('3')}`,
  discarded(3, 'the webhook was disabled'),
  `update webhooks set status = 'DISABLED', disabled_reason = 'GONE', disabled_at = now() where webhook_id = ${webhook('4')}`,
  discarded(4, 'the webhook was disabled'),
  `update webhooks set status = 'DELETED' where webhook_id = ${webhook('5')}`,
  discarded(5, 'the webhook was deleted'),
]
