import type { ClientBase } from 'pg'
import { DELIVERIES } from '../../src/webhooks/deliveries.ts'
import { ATTEMPT_COUNT } from '../../src/webhooks/delivery/decide-outcome.ts'

const WEBHOOKS = 50
/** With two restaurants per webhook, every restaurant has a webhook. */
const RESTAURANTS_EACH = 2
/** One in 20 deliveries succeeds at the second attempt. */
const SECOND_ATTEMPT_EVERY = 20
/** Pending deliveries of the failing webhook, and as many of the slow one. */
const WAITING_COUNT = 10_000
const DEAD_COUNT = 500

/**
 * Fills the webhook tables for the events of `fillTables`: two deliveries per order, with their
 * attempts. Most are delivered. One webhook fails, one is
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
    `update webhook_deliveries
    set state = 'PENDING', settled_at = null, attempts = 0, next_attempt_at = now() - interval '10 minutes'
    where type = 'order.status.preparing.v1'
      and state = 'DELIVERED'`,
  )
  await client.query(
    `delete from webhook_attempts as a
    using webhook_deliveries as d
    where d.delivery_id = a.delivery_id
      and d.state = 'PENDING'
      and d.attempts = 0`,
  )
  await client.query('vacuum analyze webhook_deliveries, webhook_attempts')
}

const webhook = (n: string) => `('00000000-0000-7000-a000-' || lpad(to_hex(${n}), 12, '0'))::uuid`
/** Selects the latest `count` deliveries of webhook `n`. */
const latest = (n: number, count: number) => `
    select delivery_id
    from webhook_deliveries
    where webhook_id = ${webhook(String(n))}
    order by delivery_id desc
    limit ${count}`
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
    next_attempt_at, created_at, settled_at)
  select uuidv7(e.created_at - now()), w.webhook_id, e.event_id, e.type, e.restaurant_id, e.order_id,
    case e.type when 'order.placed.v1' then 1 else 3 end, 'DELIVERED', 1, null, e.created_at, e.created_at + interval '30 ms'
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
  // Some of each kind of problem.
  `create temporary table pending as
  select delivery_id, failing
  from (
    select delivery_id, true as failing
    from (${latest(0, WAITING_COUNT)}) as behind_failures
    union all
    select delivery_id, false
    from (${latest(1, WAITING_COUNT)}) as behind_others
  ) as waiting`,
  `update webhook_deliveries as d
  set state = 'PENDING', settled_at = null, attempts = case when u.failing then 4 else 0 end,
    tries = case when u.failing then 4 else 0 end,
    next_attempt_at = case when u.failing then now() + interval '1 hour' else d.created_at end
  from pending as u
  where d.delivery_id = u.delivery_id`,
  `update webhook_deliveries as d
  set attempts = 0, tries = 0, next_attempt_at = null
  from webhook_deliveries as p
  where d.state = 'PENDING'
    and p.state = 'PENDING'
    and p.webhook_id = d.webhook_id
    and p.order_id = d.order_id
    and p.sequence < d.sequence`,
  `update webhook_attempts as a
  set status = 503, answer = 'no', error = null
  from webhook_deliveries as d
  where a.delivery_id = d.delivery_id
    and d.state = 'PENDING'`,
  `delete from webhook_attempts as a
  using webhook_deliveries as d
  where a.delivery_id = d.delivery_id
    and d.state = 'PENDING'
    and d.attempts = 0`,
  `update webhooks set failing_since = now() - interval '2 hours', last_success_at = now() - interval '2 hours'
  where webhook_id = ${webhook('0')}`,
  `update webhook_deliveries set state = 'DEAD', attempts = ${ATTEMPT_COUNT}, tries = ${ATTEMPT_COUNT}
  where delivery_id in (select delivery_id from (${latest(2, DEAD_COUNT)}) as dead)`,
  `insert into dead_letters (dead_letter_id, queue, job_id, event_id, event_type, order_id, data, error, attempts, first_queued_at, dead_at)
  select uuidv7(), '${DELIVERIES}', delivery_id, event_id, type, order_id,
    jsonb_build_object('delivery_id', delivery_id, 'webhook_id', webhook_id, 'event_id', event_id, 'type', type,
      'restaurant_id', restaurant_id, 'order_id', order_id),
    '{"message":"the receiver answered 400"}', attempts, created_at, settled_at
  from webhook_deliveries
  where state = 'DEAD'`,
  `update webhooks set status = 'DISABLED', disabled_reason = 'FAILING', disabled_at = now(), failing_since = now() - interval '5 days'
  where webhook_id = ${webhook('3')}`,
  discarded(3, 'the webhook was disabled'),
  `update webhooks set status = 'DISABLED', disabled_reason = 'GONE', disabled_at = now() where webhook_id = ${webhook('4')}`,
  discarded(4, 'the webhook was disabled'),
  `update webhooks set status = 'DELETED' where webhook_id = ${webhook('5')}`,
  discarded(5, 'the webhook was deleted'),
]
