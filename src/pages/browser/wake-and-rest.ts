/** A page in the background for this long leaves its connection to others. */
const REST_AFTER_MS = 60_000

/** Wakes a page when its device or its tab wakes, and lets it rest in the background. */
export function wakeAndRest(page: { wake: () => void; rest: () => void }): void {
  let resting: ReturnType<typeof setTimeout> | undefined
  const restLater = () => {
    clearTimeout(resting)
    if (document.hidden) resting = setTimeout(() => page.rest(), REST_AFTER_MS)
  }
  const wake = () => {
    page.wake()
    restLater()
  }
  document.addEventListener('visibilitychange', () => (document.hidden ? restLater() : wake()))
  addEventListener('online', wake)
  addEventListener('pageshow', wake)
  restLater()
}
