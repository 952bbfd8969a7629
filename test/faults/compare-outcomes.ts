import type { Attempt } from './clients.ts'
import type { DatabaseUnderTest } from './database-under-test.ts'

/** What happened while one fault ran, and until the system was healthy again. */
export interface FaultRun {
  fault: string
  /** requests answered with 200 or 202 */
  acknowledged: number
  /** requests answered with 4xx or 503 */
  refused: number
  /** requests without a response, or answered with another 5xx */
  unanswered: number
  /** violated invariants, and failures that the fault itself detected */
  violations: string[]
  /**
   * from the fault's end, or from the promotion of a standby, until a new order reached PREPARING;
   * null when none did within a minute
   */
  healthyMs: number | null
  /**
   * longest time from PLACED to the next status, of the orders placed during the fault and until
   * the system was healthy; null for faults that delay orders by design
   */
  slowestMs: number | null
  /** acknowledged orders may be gone by design */
  losesCommits: boolean
  attempts: Attempt[]
}

/** A fault's run, compared with the database after the pipeline has drained. */
export interface FaultResult extends Omit<FaultRun, 'attempts'> {
  /** acknowledged orders and changes that are not in the database */
  lost: string[]
  /** requests that created more than one order */
  duplicated: string[]
  /** placed orders whose processing is complete, or that have a dead letter */
  recovered: number
}

interface OrderOutcome {
  order_id: string
  customer_id: string
  statuses: string[]
  is_finished: boolean
}

/**
 * Compares the responses that clients got during each fault with the final state of the database.
 */
export async function compareOutcomes(
  postgres: DatabaseUnderTest,
  runs: readonly FaultRun[],
): Promise<FaultResult[]> {
  const orders = await postgres.query<OrderOutcome>(
    `select order_id, customer_id,
      (select array_agg(to_status) from order_transitions as t where t.order_id = o.order_id) as statuses,
      status <> 'PLACED' or exists (select 1 from dead_letters as d where d.order_id = o.order_id) as is_finished
    from orders as o
    where customer_id is not null`,
  )
  const byId = new Map(orders.map(order => [order.order_id, order]))
  const byTag = Map.groupBy(orders, ({ customer_id }) => customer_id)
  return runs.map(({ attempts, ...run }) => ({
    ...run,
    lost: run.losesCommits ? [] : attempts.flatMap(attempt => lossOf(attempt, byId)),
    duplicated: attempts.flatMap(({ kind, tag }) => {
      const created = kind === 'place' ? (byTag.get(tag)?.length ?? 0) : 0
      return created > 1 ? [`request ${tag} created ${created} orders`] : []
    }),
    recovered: attempts.filter(
      ({ kind, tag }) => kind === 'place' && byTag.get(tag)?.every(order => order.is_finished),
    ).length,
  }))
}

function lossOf({ kind, status, order_id = '' }: Attempt, byId: ReadonlyMap<string, OrderOutcome>): string[] {
  const statuses = byId.get(order_id)?.statuses ?? []
  if (kind === 'place')
    return status === 202 && statuses.length === 0
      ? [`order ${order_id} was accepted but is not in the database`]
      : []
  const acknowledged = kind === 'cancel' ? 'CANCELLED' : 'OUT_FOR_DELIVERY'
  return status === 200 && !statuses.includes(acknowledged)
    ? [`order ${order_id} was acknowledged as ${acknowledged} but never got that status`]
    : []
}
