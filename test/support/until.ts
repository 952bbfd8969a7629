const POLL_MS = 5
const TIMEOUT_MS = 15_000
/** For what takes several processes and their timeouts. */
const SLOW_TIMEOUT_MS = 80_000

/**
 * Waits until `look` gives something truthy, and gives that.
 * @throws after 15 s, with what was awaited
 */
export async function until<T>(what: string, look: () => Promise<T> | T): Promise<Found<T>> {
  return await wait(what, look, TIMEOUT_MS)
}

/** The same, for up to 80 s. */
export async function untilSlowly<T>(what: string, look: () => Promise<T> | T): Promise<Found<T>> {
  return await wait(what, look, SLOW_TIMEOUT_MS)
}

type Found<T> = Exclude<T, false | null | undefined>

async function wait<T>(what: string, look: () => Promise<T> | T, timeoutMs: number): Promise<Found<T>> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const seen = await look()
    if (seen) return seen as Found<T>
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await new Promise(done => setTimeout(done, POLL_MS))
  }
}
