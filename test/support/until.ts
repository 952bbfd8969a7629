const POLL_MS = 5
const TIMEOUT_MS = 15_000

/**
 * Waits until `look` gives something truthy, and gives that.
 * @throws after 15 s, with what was awaited
 */
export async function until<T>(
  what: string,
  look: () => Promise<T> | T,
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + TIMEOUT_MS
  for (;;) {
    const seen = await look()
    if (seen) return seen as Exclude<T, false | null | undefined>
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await new Promise(done => setTimeout(done, POLL_MS))
  }
}
