import { expectNoDeniedStatements } from './denied-statements.ts'

const POLL_MS = 5
// Both are below the limit of a test, so that the message of the wait is the one that is shown.
const TIMEOUT_MS = 30_000
/** For conditions that several processes and their timeouts bring about. */
const SLOW_TIMEOUT_MS = 80_000
const SLOW_POLL_MS = 100

/**
 * Polls `look` until it returns something truthy, and returns that.
 * @param what the awaited condition, for the error message; a function can add what was seen last
 * @throws Error after 30 s
 */
export async function until<T>(what: What, look: () => Promise<T> | T): Promise<Found<T>> {
  return await wait(what, look, TIMEOUT_MS)
}

/** Does the same as {@link until} for up to 80 s. */
export async function untilSlowly<T>(what: What, look: () => Promise<T> | T): Promise<Found<T>> {
  return await wait(what, look, SLOW_TIMEOUT_MS)
}

/**
 * Polls a condition every 100 ms. An error counts as false: the database may be down for a while.
 * @returns whether the condition became true within `timeoutMs`
 */
export async function untilTrue(timeoutMs: number, isTrue: () => Promise<boolean>): Promise<boolean> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    if (await isTrue().catch(() => false)) return true
    if (Date.now() > deadline) return false
    await new Promise(done => setTimeout(done, SLOW_POLL_MS))
  }
}

type What = string | (() => string)
type Found<T> = Exclude<T, false | null | undefined>

async function wait<T>(what: What, look: () => Promise<T> | T, timeoutMs: number): Promise<Found<T>> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const found = await look()
    if (found) return found as Found<T>
    expectNoDeniedStatements()
    if (performance.now() > deadline)
      throw new Error(`timed out waiting until ${typeof what === 'string' ? what : what()}`)
    await new Promise(done => setTimeout(done, POLL_MS))
  }
}
