import type { PgBoss } from 'pg-boss'
import type { Tx } from '../../db/transaction.ts'
import { DELIVERY_QUEUE } from '../../jobs/queues.ts'
import { releaseWaiting } from './enqueue-ready.ts'
import type { TakenJob } from './load-deliveries.ts'
import { failureOf, type Sent } from './send.ts'

/**
 * What became of a job: the delivery is settled, or is tried again, or waits without a job. NOTHING: the job was left over, and its
 * delivery is not touched.
 */
export type Verdict =
  | { state: 'DELIVERED' }
  | { state: 'DISCARDED'; reason: string; isGone?: boolean }
  | { state: 'DEAD' }
  | { state: 'RETRY'; afterSeconds: number }
  | { state: 'AWAITS_TURN' }
  | { state: 'AWAITS_ROOM' }
  | { state: 'NOTHING' }

export interface DeliveryOutcome {
  job: TakenJob
  verdict: Verdict
  /** left out: it was not sent */
  sent?: Sent
}

/** Uninterrupted failure after which a webhook is disabled, in days: longer than any one delivery is tried. */
const FAILING_DAYS = 5
/** A success is written down at most this often, in seconds. */
const SUCCESS_EVERY_SECONDS = 5

/**
 * Writes down what became of jobs: attempts, deliveries, how their webhooks do, and the jobs' own end; and gives jobs to those
 * deliveries that waited for them. Atomic: all of it or nothing. A job that belongs to another worker by now stays as it is.
 * @param rooms by webhook, how many more of its deliveries may have a job
 * @returns webhooks that were disabled by it
 */
export async function recordOutcomes(
  tx: Tx,
  boss: PgBoss,
  settlements: readonly DeliveryOutcome[],
  rooms: ReadonlyMap<string, number>,
): Promise<string[]> {
  const tried = settlements.flatMap(({ job, sent }) =>
    sent ? [{ delivery_id: job.data.delivery_id, ...sent }] : [],
  )
  const touched = settlements.filter(({ verdict }) => verdict.state !== 'NOTHING')
  const [, , disabled] = await Promise.all([
    touched.length > 0 ? tx.execute(settleSql, [JSON.stringify(touched.map(changeOf))]) : 0,
    tried.length > 0 ? tx.execute(attemptsSql, [JSON.stringify(tried)]) : 0,
    recordHealth(tx, settlements),
    endJobs(tx, boss, settlements),
  ])
  await releaseWaiting(tx, boss, { lanes: freedBy(settlements), rooms })
  return disabled
}

/**
 * Settles deliveries whose jobs died with their workers, once too often: what waited for them goes on.
 * @param jobIds of those that became dead letters
 */
export async function markDeliveriesDead(tx: Tx, boss: PgBoss, jobIds: readonly string[]): Promise<void> {
  const buried = await tx.query<{ webhook_id: string; order_id: string | null }>(burySql, [jobIds])
  const lanes = buried.flatMap(({ webhook_id, order_id }) => (order_id ? [{ webhook_id, order_id }] : []))
  await releaseWaiting(tx, boss, { lanes, rooms: new Map() })
}

function changeOf({ job, verdict, sent }: DeliveryOutcome) {
  const { state } = verdict
  return {
    delivery_id: job.data.delivery_id,
    job_id: job.id,
    state: state === 'RETRY' ? 'QUEUED' : state,
    tried: sent ? 1 : 0,
    after_seconds: state === 'RETRY' ? verdict.afterSeconds : null,
    reason: state === 'DISCARDED' ? verdict.reason : null,
  }
}

/** Every job ends, and by the worker that was given it: pg-boss fences by the attempt. */
async function endJobs(tx: Tx, boss: PgBoss, settlements: readonly DeliveryOutcome[]): Promise<void> {
  const isFailed = ({ verdict }: DeliveryOutcome) => verdict.state === 'RETRY' || verdict.state === 'DEAD'
  const done = settlements.filter(each => !isFailed(each)).map(({ job }) => job)
  if (done.length > 0) await boss.complete(DELIVERY_QUEUE, done, undefined, { db: tx })
  const failed = settlements.filter(isFailed)
  for (const [message, those] of Map.groupBy(failed, ({ sent }) => sent && failureOf(sent))) {
    const jobs = those.map(({ job }) => job)
    await boss.fail(DELIVERY_QUEUE, jobs, { message }, { db: tx })
  }
  const again = failed.flatMap(({ job, verdict }) =>
    verdict.state === 'RETRY' ? [{ id: job.id, after_seconds: verdict.afterSeconds }] : [],
  )
  if (again.length > 0) await tx.execute(rescheduleSql, [JSON.stringify(again)])
}

async function recordHealth(tx: Tx, settlements: readonly DeliveryOutcome[]): Promise<string[]> {
  const well = new Set<string>()
  const failing = new Set<string>()
  const gone = new Set<string>()
  for (const { job, verdict, sent } of settlements) {
    const { webhook_id } = job.data
    if (!sent) continue
    if (verdict.state === 'DELIVERED') well.add(webhook_id)
    else if (verdict.state === 'DISCARDED' && verdict.isGone) gone.add(webhook_id)
    else failing.add(webhook_id)
  }
  if (well.size > 0) await tx.execute(wellSql, [[...well]])
  const ill = [...failing].filter(each => !well.has(each))
  const rows = await Promise.all([
    ill.length > 0 ? tx.query<{ webhook_id: string; status: string }>(failingSql, [ill]) : [],
    gone.size > 0 ? tx.query<{ webhook_id: string; status: string }>(goneSql, [[...gone]]) : [],
  ])
  return rows.flat().flatMap(({ webhook_id, status }) => (status === 'DISABLED' ? [webhook_id] : []))
}

/** Orders whose next event may go. */
function freedBy(settlements: readonly DeliveryOutcome[]) {
  const lanes: { webhook_id: string; order_id: string }[] = []
  for (const { job, verdict } of settlements) {
    const { webhook_id, order_id } = job.data
    if (order_id && ['DELIVERED', 'DISCARDED', 'DEAD'].includes(verdict.state))
      lanes.push({ webhook_id, order_id })
  }
  return lanes
}

/** What has been delivered is so whatever has become of it meanwhile; anything else is only said of what is still open. */
const settleSql = `
  update webhook_deliveries as d
  set state = s.state, job_id = s.job_id, attempts = attempts + s.tried,
    next_attempt_at = clock_timestamp() + s.after_seconds * interval '1 second',
    settled_at = case when s.state in ('DELIVERED', 'DEAD', 'DISCARDED') then clock_timestamp() end,
    requested_at = case when s.state in ('DELIVERED', 'DEAD', 'DISCARDED') then null else d.requested_at end,
    reason = s.reason
  from json_to_recordset($1::text::json) as s (delivery_id uuid, job_id uuid, state text, tried integer,
    after_seconds double precision, reason text)
  where d.delivery_id = s.delivery_id
    and (
      s.state = 'DELIVERED'
      or (d.state in ('QUEUED', 'DEAD') and (d.state = 'DEAD' or coalesce(d.job_id, d.delivery_id) = s.job_id))
    )
`

const burySql = `
  update webhook_deliveries as d
  set state = 'DEAD', settled_at = clock_timestamp(), next_attempt_at = null, requested_at = null
  from pgboss.job as j
  where j.name = '${DELIVERY_QUEUE}'
    and j.id = any($1::uuid[])
    and d.delivery_id = (j.data ->> 'delivery_id')::uuid
    and d.state = 'QUEUED'
    and coalesce(d.job_id, d.delivery_id) = j.id
  returning d.webhook_id, d.order_id
`

const attemptsSql = `
  insert into webhook_attempts (delivery_id, at, status, duration_ms, answer, error)
  select delivery_id, at, status, duration_ms, answer, error
  from json_to_recordset($1::text::json) as a (delivery_id uuid, at timestamptz, status smallint, duration_ms integer,
    answer text, error text)
`

const rescheduleSql = `
  update pgboss.job as j
  set start_after = now() + again.after_seconds * interval '1 second'
  from json_to_recordset($1::text::json) as again (id uuid, after_seconds double precision)
  where j.name = '${DELIVERY_QUEUE}'
    and j.id = again.id
    and j.state = 'retry'
`

const wellSql = `
  update webhooks
  set failing_since = null, last_success_at = clock_timestamp()
  where webhook_id = any($1::uuid[])
    and (
      failing_since is not null
      or last_success_at is null
      or last_success_at < clock_timestamp() - interval '${SUCCESS_EVERY_SECONDS} seconds'
    )
`

const disabled = (reason: string) =>
  `status = 'DISABLED', disabled_reason = '${reason}', disabled_at = clock_timestamp(), updated_at = clock_timestamp(),
    version = version + 1`

const tooLong = `failing_since < clock_timestamp() - interval '${FAILING_DAYS} days'`

const failingSql = `
  with begun as (
    update webhooks
    set failing_since = clock_timestamp()
    where webhook_id = any($1::uuid[])
      and status = 'ACTIVE'
      and failing_since is null
  )
  update webhooks
  set ${disabled('FAILING')}
  where webhook_id = any($1::uuid[])
    and status = 'ACTIVE'
    and ${tooLong}
  returning webhook_id, status
`

const goneSql = `
  update webhooks
  set ${disabled('GONE')}
  where webhook_id = any($1::uuid[])
    and status = 'ACTIVE'
  returning webhook_id, status
`
