import { statsInvariant } from '../views/stats-views.ts'
import type { View } from '../views/view.ts'
import { deliveryInvariants } from './delivery-invariants.ts'
import { eventInvariants } from './event-invariants.ts'
import { historyInvariant } from './history-invariant.ts'
import { stockInvariants } from './stock-invariants.ts'

/**
 * One view a promise (design §2); each returns no rows while it holds. They may be run under load: each statement sees
 * one snapshot, and what is still under way is no violation.
 *
 * Tables are held against their sums by full joins, which are hashed or merged: a plan made while statistics are old
 * could otherwise go through one side for each row of the other.
 */
export const checks: View[] = [
  ...stockInvariants,
  ...eventInvariants,
  historyInvariant,
  ...deliveryInvariants,
  statsInvariant,
]
