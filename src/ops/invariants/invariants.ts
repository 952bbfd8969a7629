import { statsInvariant } from '../views/stats-views.ts'
import type { View } from '../views/view.ts'
import { deliveryInvariants } from './delivery-invariants.ts'
import { eventInvariants } from './event-invariants.ts'
import { historyInvariant } from './history-invariant.ts'
import { stockInvariants } from './stock-invariants.ts'

/**
 * One view per invariant, which returns no rows while the invariant holds. The views may be read
 * under load: each statement sees one snapshot, and work in progress is no violation.
 *
 * Tables are compared with their sums by full joins, which Postgres hashes or merges. With outdated
 * statistics, it could run other joins as nested loops.
 */
export const checks: View[] = [
  ...stockInvariants,
  ...eventInvariants,
  historyInvariant,
  ...deliveryInvariants,
  statsInvariant,
]
