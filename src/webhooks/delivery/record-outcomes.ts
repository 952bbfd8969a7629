import { integers, texts, timestamps, uuids } from '../../db/array-params.ts'
import type { Tx } from '../../db/transaction.ts'
import { DELIVERIES } from '../deliveries.ts'
import type { DeliveryOutcome } from './decide-outcome.ts'
import { recordHealth } from './record-health.ts'
import { type Lane, releaseParked } from './release-parked.ts'

export interface RecordedOutcomes {
  /** ids of the webhooks that were disabled */
  disabled: readonly string[]
  /** deliveries that became due because the one before them was finished */
  released: number
}

/**
 * Records outcomes with their attempts, dead letters and the health of the webhooks, and makes the
 * next deliveries of the orders due. Atomic. An outcome is ignored if its lease has passed to
 * another worker, which sends the delivery again.
 */
export async function recordOutcomes(
  tx: Tx,
  outcomes: readonly DeliveryOutcome[],
): Promise<RecordedOutcomes> {
  const [, disabled, released] = await Promise.all([
    tx.execute(recordSql, columnsOf(outcomes)),
    recordHealth(tx, outcomes),
    releaseParked(tx, finishedLanes(outcomes)),
  ])
  return { disabled, released }
}

function finishedLanes(outcomes: readonly DeliveryOutcome[]): Lane[] {
  return outcomes.flatMap(({ delivery: { webhook_id, order_id }, outcome }) =>
    order_id !== null && outcome.state !== 'PENDING' ? [{ webhook_id, order_id }] : [],
  )
}

function columnsOf(outcomes: readonly DeliveryOutcome[]): Buffer[] {
  const waits = outcomes.map(({ outcome }) => (outcome.state === 'PENDING' ? outcome.afterSeconds : null))
  return [
    uuids(outcomes.map(({ delivery }) => delivery.webhook_id)),
    uuids(outcomes.map(({ delivery }) => delivery.delivery_id)),
    uuids(outcomes.map(({ delivery }) => delivery.lease_id)),
    texts(outcomes.map(({ outcome }) => outcome.state)),
    texts(outcomes.map(({ outcome }) => (outcome.state === 'DISCARDED' ? outcome.reason : null))),
    texts(outcomes.map(({ outcome }) => (outcome.state === 'DEAD' ? outcome.error : null))),
    integers(waits.map(seconds => (seconds === null ? null : Math.round(seconds * 1_000)))),
    timestamps(outcomes.map(({ sent }) => sent?.at)),
    integers(outcomes.map(({ sent }) => sent?.status)),
    integers(outcomes.map(({ sent }) => sent?.duration_ms)),
    texts(outcomes.map(({ sent }) => sent?.answer)),
    texts(outcomes.map(({ sent }) => sent?.error)),
  ]
}

const recordSql = `
  with outcome as materialized (
    select *
    from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::timestamptz[],
      $9::integer[], $10::integer[], $11::text[], $12::text[]) as o (webhook_id, delivery_id, lease_id, state, reason,
      dead_error, after_ms, at, status, duration_ms, answer, error)
  ),
  recorded as (
    update webhook_deliveries as d
    set state = o.state, reason = o.reason, lease_id = null, leased_until = null,
      attempts = d.attempts + case when o.at is null then 0 else 1 end,
      next_attempt_at = clock_timestamp() + o.after_ms * interval '1 millisecond',
      settled_at = case when o.state <> 'PENDING' then clock_timestamp() end,
      requested_at = case when o.state = 'PENDING' then d.requested_at end
    from outcome as o
    where d.webhook_id = any($1::uuid[])
      and d.delivery_id = any($2::uuid[])
      and d.delivery_id = o.delivery_id
      and d.lease_id = o.lease_id
    returning d.delivery_id, d.webhook_id, d.event_id, d.type, d.restaurant_id, d.order_id, d.tries, d.created_at,
      o.dead_error, o.at, o.status, o.duration_ms, o.answer, o.error
  ),
  attempted as (
    insert into webhook_attempts (delivery_id, at, status, duration_ms, answer, error)
    select delivery_id, at, status, duration_ms, answer, error
    from recorded
    where at is not null
  )
  insert into dead_letters (dead_letter_id, restaurant_id, queue, job_id, event_id, event_type, order_id,
    data, error, attempts, first_queued_at, dead_at)
  select uuidv7(), restaurant_id, '${DELIVERIES}', delivery_id, event_id, type, order_id,
    json_build_object('delivery_id', delivery_id, 'webhook_id', webhook_id, 'event_id', event_id, 'type', type,
      'restaurant_id', restaurant_id, 'order_id', order_id),
    json_build_object('message', dead_error), tries - case when at is null then 1 else 0 end, created_at,
    clock_timestamp()
  from recorded
  where dead_error is not null
`
