import { deliveryChecks } from './delivery-checks.ts'
import { eventChecks } from './event-checks.ts'
import { historyCheck } from './history-check.ts'
import { statsCheck } from './stats-views.ts'
import { stockChecks } from './stock-checks.ts'
import type { View } from './view.ts'

/**
 * One view a promise (design §2); each returns no rows while it holds. They may be run under load: each statement sees
 * one snapshot, and what is still under way is no violation.
 *
 * Tables are held against their sums by full joins, which are hashed or merged: a plan made while statistics are old
 * could otherwise go through one side for each row of the other.
 */
export const checks: View[] = [...stockChecks, ...eventChecks, historyCheck, ...deliveryChecks, statsCheck]
