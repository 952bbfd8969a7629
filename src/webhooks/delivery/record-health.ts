import type { Tx } from '../../db/transaction.ts'
import type { DeliveryOutcome } from './decide-outcome.ts'

/**
 * Days of failures without a success after which a webhook is disabled: longer than all attempts of
 * a delivery.
 */
const FAILING_DAYS = 5
/** A success is recorded at most this often, in seconds. */
const SUCCESS_EVERY_SECONDS = 5

/**
 * Records whether webhooks work, and disables those that have failed for {@link FAILING_DAYS} or
 * are gone.
 * @returns ids of the webhooks that were disabled
 */
export async function recordHealth(tx: Tx, outcomes: readonly DeliveryOutcome[]): Promise<string[]> {
  const healthy = new Set<string>()
  const failing = new Set<string>()
  const gone = new Set<string>()
  for (const { delivery, outcome, sent } of outcomes) {
    const { webhook_id } = delivery
    if (!sent) continue
    if (outcome.state === 'DELIVERED') healthy.add(webhook_id)
    else if (outcome.state === 'DISCARDED' && outcome.isGone) gone.add(webhook_id)
    else failing.add(webhook_id)
  }
  const unhealthy = [...failing].filter(each => !healthy.has(each))
  const [, ...disabled] = await Promise.all([
    healthy.size > 0 ? tx.execute(healthySql, [[...healthy]]) : 0,
    unhealthy.length > 0 ? tx.query<{ webhook_id: string }>(failingSql, [unhealthy]) : [],
    gone.size > 0 ? tx.query<{ webhook_id: string }>(goneSql, [[...gone]]) : [],
  ])
  return disabled.flat().map(({ webhook_id }) => webhook_id)
}

const healthySql = `
  update webhooks
  set failing_since = null, last_success_at = clock_timestamp()
  where webhook_id = any($1::uuid[])
    and (
      failing_since is not null
      or last_success_at is null
      or last_success_at < clock_timestamp() - interval '${SUCCESS_EVERY_SECONDS} seconds'
    )
`

const disable = (reason: string) => `
  set status = 'DISABLED', disabled_reason = '${reason}', disabled_at = clock_timestamp(), updated_at = clock_timestamp(),
    version = version + 1`

const failingSql = `
  with begun as (
    update webhooks
    set failing_since = clock_timestamp()
    where webhook_id = any($1::uuid[])
      and status = 'ACTIVE'
      and failing_since is null
  )
  update webhooks
  ${disable('FAILING')}
  where webhook_id = any($1::uuid[])
    and status = 'ACTIVE'
    and failing_since < clock_timestamp() - interval '${FAILING_DAYS} days'
  returning webhook_id
`

const goneSql = `
  update webhooks
  ${disable('GONE')}
  where webhook_id = any($1::uuid[])
    and status = 'ACTIVE'
  returning webhook_id
`
