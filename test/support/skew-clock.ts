const RealDate = Date

/**
 * Makes the system clock of this process differ from the real one, for our code and for every
 * library. `performance.now()` continues, as it does when a machine's clock is wrong.
 * @param ms positive: ahead
 * @returns a function that restores the clock
 */
export function skewClock(ms: number): () => void {
  const now = () => RealDate.now() + ms
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as Date,
    get: (target, key, receiver) => (key === 'now' ? now : (Reflect.get(target, key, receiver) as unknown)),
  })
  return () => {
    globalThis.Date = RealDate
  }
}

/** Runs `work` with a skewed system clock. */
export async function withSkewedClock<T>(ms: number, work: () => Promise<T>): Promise<T> {
  const restore = skewClock(ms)
  try {
    return await work()
  } finally {
    restore()
  }
}
