import { runChecks } from '../../scripts/support/run-checks.ts'
import { untilTrue } from '../support/until.ts'
import type { Attempt } from './clients.ts'
import type { FaultRun } from './compare-outcomes.ts'
import type { DatabaseUnderTest } from './database-under-test.ts'
import type { Fault, SystemUnderTest } from './fault.ts'
import { untilPrepared } from './until-prepared.ts'

const HEALTHY_TIMEOUT_MS = 60_000
const PROBE_TIMEOUT_MS = 20_000

/** Injects one fault, waits until the system is healthy again, and checks all invariants. */
export async function runFault(fault: Fault, testBed: SystemUnderTest): Promise<FaultRun> {
  const { clients, cluster, postgres } = testBed
  // Processes that the previous fault killed may still be starting.
  await Promise.all(cluster.members.map(member => cluster.untilReady(member)))
  const began = new Date()
  const before = clients.attempts.length
  let measuredMs: number | undefined
  const healthyAfter = (ms: number) => void (measuredMs = ms)
  const violations = await fault.run({ ...testBed, healthyAfter })
  const ended = Date.now()
  const isHealthy = await untilTrue(HEALTHY_TIMEOUT_MS, () => processesAnOrder(testBed))
  const healthyMs = isHealthy ? (measuredMs ?? Date.now() - ended) : null
  if (!isHealthy) violations.push('not healthy again within a minute')
  const slowestMs = fault.delaysOrders ? null : await slowestSince(postgres, began)
  violations.push(...(await violatedInvariants(postgres)))
  const attempts = clients.attempts.slice(before)
  const count = (isCounted: (attempt: Attempt) => boolean) => attempts.filter(isCounted).length
  return {
    fault: fault.name,
    acknowledged: count(({ status }) => status === 202 || status === 200),
    refused: count(({ status }) => (status >= 400 && status < 500) || status === 503),
    unanswered: count(({ status }) => status === 0 || (status >= 500 && status !== 503)),
    healthyMs,
    slowestMs,
    violations,
    losesCommits: fault.losesCommits ?? false,
    attempts,
  }
}

/** Returns each row of each invariant view in `ops`, as one line. */
export async function violatedInvariants(postgres: DatabaseUnderTest): Promise<string[]> {
  const client = await postgres.connect()
  try {
    const results = await runChecks(client)
    return results.flatMap(({ name, rows }) => rows.map(row => `ops.${name} ${JSON.stringify(row)}`))
  } finally {
    await client.end()
  }
}

/** Returns whether a new order leaves PLACED, which takes an API, a dispatcher and a worker. */
async function processesAnOrder({ clients, postgres }: SystemUnderTest): Promise<boolean> {
  const order = await clients.place()
  return order.status === 202 && (await untilPrepared(postgres, order, PROBE_TIMEOUT_MS))
}

/**
 * Waits up to a minute for the orders placed since, without dead letters.
 * @returns the longest time in PLACED, in ms
 */
async function slowestSince(postgres: DatabaseUnderTest, since: Date): Promise<number> {
  const until = new Date()
  await untilTrue(HEALTHY_TIMEOUT_MS, async () => {
    const rows = await postgres.query(
      `select 1 from orders where status = 'PLACED' and placed_at between $1 and $2
        and order_id not in (select order_id from dead_letters where order_id is not null) limit 1`,
      [since, until],
    )
    return rows.length === 0
  })
  const [row] = await postgres.query<{ ms: number }>(
    `select coalesce(max(extract(epoch from coalesce(next.at, now()) - placed.at) * 1000), 0)::float8 as ms
    from order_transitions as placed
    left join order_transitions as next on next.order_id = placed.order_id and next.seq = 2
    where placed.seq = 1 and placed.at between $1 and $2
      and placed.order_id not in (select order_id from dead_letters where order_id is not null)`,
    [since, until],
  )
  return row?.ms ?? 0
}
