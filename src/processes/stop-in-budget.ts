import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../db/database.ts'

/** Share of the budget of a stop in which work in progress may end. The rest is for releasing. */
const GRACE_SHARE = 0.8

export interface StopSteps {
  /** finishes the work in progress; what is left after `graceMs` is given up */
  finish: (graceMs: number) => Promise<void>
  /** releases what is not a connection of the pool */
  release?: () => Promise<void>
  database: Database
}

/**
 * Stops a role within `budgetMs`. Connections whose work has not ended by then are closed, which
 * rolls back their transactions.
 */
export async function stopInBudget(budgetMs: number, steps: StopSteps): Promise<void> {
  const { finish, release, database } = steps
  const graceMs = budgetMs * GRACE_SHARE
  const deadline = performance.now() + budgetMs
  const isFinished = await endsWithin(graceMs, finish(graceMs))
  const isReleased = await endsWithin(deadline - performance.now(), release?.())
  await database.close(isFinished && isReleased ? deadline - performance.now() : 0)
}

/** Waits for `work`, at most `timeoutMs`. @returns whether it has ended */
export async function endsWithin(timeoutMs: number, work: Promise<unknown> | undefined): Promise<boolean> {
  const timer = new AbortController()
  const timeout = delay(Math.max(0, timeoutMs), false, { signal: timer.signal })
  timeout.catch(() => undefined)
  try {
    return await Promise.race([Promise.resolve(work).then(() => true), timeout])
  } finally {
    timer.abort()
  }
}
