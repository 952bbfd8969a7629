import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { SeededRandom } from '../../scripts/support/seeded-random.ts'
import { startBoss } from '../../src/jobs/boss.ts'
import { quiet } from '../support/log.ts'
import { untilTrue } from '../support/until.ts'
import type { Cluster, Member } from './cluster.ts'
import type { DatabaseUnderTest } from './database-under-test.ts'
import type { Fault, TestBed } from './fault.ts'

/** Processes on machines whose clocks are wrong. */

const SKEW_CLOCK = pathToFileURL(join(import.meta.dirname, '..', 'support', 'skew-clock-child.ts')).href
const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
const MIN_SKEW_MS = 5 * MINUTE_MS
const MAX_SKEW_MS = 60 * DAY_MS
/** Longer than any retention period: with the clock of the process, it would prune everything. */
const MIN_PRUNING_SKEW_MS = 46 * DAY_MS
/** Longer than a transaction takes under any fault, and shorter than any skew. */
const TOLERANCE_SECONDS = 120
/** Workers poll for scheduled jobs every 30 s, and retry a failed one after a minute or two. */
const PRUNED_TIMEOUT_MS = 240_000
const ORDERS_TIMEOUT_MS = 60_000
/** Orders that are accepted while the clocks are wrong. */
const ORDER_COUNT = 50
const MAX_REPORTED_COUNT = 10

export const clockSkew: Fault = {
  name: 'clock-skew',
  about:
    'an API, a dispatcher and two workers with clocks 5 minutes to 60 days ahead or behind; one worker, 46 to 60 days ahead, prunes',
  run: async testBed => {
    const { cluster, random } = testBed
    const [pruner, ...others] = drawVictims(cluster, random)
    const skews = new Map([
      [pruner, random.integer(MIN_PRUNING_SKEW_MS, MAX_SKEW_MS)],
      ...others.map(member => [member, drawSkew(random)] as const),
    ])
    try {
      return await runSkewed(testBed, pruner, skews)
    } finally {
      for (const member of skews.keys()) await restartWith(cluster, member, 0)
    }
  },
}

/** Returns a worker that prunes, and another worker, an API and a dispatcher. */
function drawVictims(cluster: Cluster, random: SeededRandom): [Member, ...Member[]] {
  const [pruner, worker] = random.shuffled(cluster.of('worker')) as [Member, Member]
  return [pruner, worker, random.pick(cluster.of('api')), random.pick(cluster.of('dispatcher'))]
}

/** Returns a skew of either sign. Minutes, hours and days are equally probable. */
function drawSkew(random: SeededRandom): number {
  const ms = MIN_SKEW_MS * (MAX_SKEW_MS / MIN_SKEW_MS) ** random.fraction()
  return Math.round(random.pick([-ms, ms]))
}

async function restartWith(
  cluster: Cluster,
  member: Member,
  clockSkewMs: number,
  onOutput: Member['onOutput'] = () => undefined,
): Promise<void> {
  member.env =
    clockSkewMs === 0 ? {} : { NODE_OPTIONS: `--import ${SKEW_CLOCK}`, CLOCK_SKEW_MS: String(clockSkewMs) }
  member.onOutput = onOutput
  await cluster.restart(member)
}

async function runSkewed(
  { cluster, clients, postgres }: TestBed,
  pruner: Member,
  skews: ReadonlyMap<Member, number>,
): Promise<string[]> {
  const before = await countRows(postgres)
  await addKeys(postgres)
  const reporting = new Set<Member>()
  let hasPruned = false
  await withPruneJobs(postgres, async sendJob => {
    await untilTrue(PRUNED_TIMEOUT_MS, async () => {
      await sendJob()
      return true
    })
    for (const [member, skewMs] of skews) {
      await restartWith(cluster, member, skewMs, output => {
        if (output.includes('"skew_seconds"')) reporting.add(member)
        if (member === pruner && output.includes('deleted expired rows')) hasPruned = true
      })
    }
    // Another worker may take a job, so that the pruner needs another one when it polls again.
    await untilTrue(PRUNED_TIMEOUT_MS, async () => {
      if (!hasPruned) await sendJob()
      return hasPruned
    })
  })
  const first = clients.attempts.length
  const areHandled = await untilTrue(ORDERS_TIMEOUT_MS, async () => {
    await clients.place()
    return clients.attempts.slice(first).filter(({ status }) => status === 202).length >= ORDER_COUNT
  })
  return [
    ...[...skews.keys()]
      .filter(member => !reporting.has(member))
      .map(({ role, index }) => `${role} ${index} did not report that its clock is wrong`),
    ...(hasPruned ? [] : ['the worker whose clock is far ahead did not prune']),
    ...(areHandled ? [] : [`fewer than ${ORDER_COUNT} orders were accepted`]),
    ...(await wronglyPruned(postgres, before)),
    ...(await wrongTimes(postgres)),
  ]
}

/** Passes a function that sends a job that prunes, unless one is pending. */
async function withPruneJobs(
  postgres: DatabaseUnderTest,
  work: (sendJob: () => Promise<unknown>) => Promise<void>,
): Promise<void> {
  await postgres.withPool(async database => {
    const boss = await startBoss(database, 'producer', 'faults', quiet)
    try {
      await work(() => boss.send('maintenance.prune', {}))
    } finally {
      await boss.stop()
    }
  })
}

interface RowCounts extends Record<string, number> {
  outbox_events: number
  processed_events: number
}

/** Counts rows that are kept for longer than a run of the suite. */
async function countRows(postgres: DatabaseUnderTest): Promise<RowCounts> {
  const [counts] = await postgres.query<RowCounts>(
    `select (select count(*)::integer from outbox_events) as outbox_events,
      (select count(*)::integer from processed_events) as processed_events`,
  )
  return counts ?? { outbox_events: 0, processed_events: 0 }
}

const CALLER = 'fault suite'

/** Adds an idempotency key that is new, and one that has expired. */
async function addKeys(postgres: DatabaseUnderTest): Promise<void> {
  await postgres.query(
    `insert into idempotency_keys (caller, key, fingerprint, status, headers, body, created_at)
    values ($1, 'new', '', 200, '{}', '{}', now()), ($1, 'expired', '', 200, '{}', '{}', now() - interval '2 days')`,
    [CALLER],
  )
}

/** Returns what was pruned although it has not expired, and what was not although it has. */
async function wronglyPruned(postgres: DatabaseUnderTest, before: RowCounts): Promise<string[]> {
  const keys = await postgres.query<{ key: string }>(
    'delete from idempotency_keys where caller = $1 returning key',
    [CALLER],
  )
  const left = keys.map(({ key }) => key).join(', ')
  const counts = await countRows(postgres)
  return [
    ...(left === 'new' ? [] : [`of a new and an expired idempotency key, pruning kept: ${left || 'none'}`]),
    ...Object.entries(before)
      .filter(([table, count]) => (counts[table] ?? 0) < count)
      .map(([table, count]) => `pruning left ${counts[table]} of ${count} rows of ${table}`),
  ]
}

/**
 * Compares times and ids that processes have written with times of Postgres in the same row, and
 * the transitions of each order with each other.
 */
async function wrongTimes(postgres: DatabaseUnderTest): Promise<string[]> {
  const rows = await postgres.query<{ what: string; id: string; seconds: number }>(
    `with gaps as (
      select 'event id' as what, event_id as id, uuid_extract_timestamp(event_id) - created_at as gap
      from outbox_events
      union all
      select 'movement id', movement_id, uuid_extract_timestamp(movement_id) - at from stock_movements
      union all
      select 'order id', order_id, uuid_extract_timestamp(order_id) - at from order_transitions where seq = 1
      union all
      select 'transition', order_id, at - pg_xact_commit_timestamp(xmin) from order_transitions
    ), steps as (
      select order_id, at - lag(at) over (partition by order_id order by seq) as gap from order_transitions
    )
    select what, id, extract(epoch from gap)::float8 as seconds from gaps
    where abs(extract(epoch from gap)) > $1
    union all
    select 'transition before the previous one', order_id, extract(epoch from gap)::float8 from steps
    where gap < interval '0'
    limit ${MAX_REPORTED_COUNT}`,
    [TOLERANCE_SECONDS],
  )
  return rows.map(({ what, id, seconds }) => `${what} ${id} is off by ${Math.round(seconds)} s`)
}
