/** Keeps the screen on while the page is visible, where browser and connection allow it. */
export function keepAwake(): void {
  if (!('wakeLock' in navigator)) return
  const request = async () => {
    if (document.hidden) return
    try {
      await navigator.wakeLock.request('screen')
    } catch {
      // Refused, e.g. because the battery is low: asked again when the page is shown again.
    }
  }
  document.addEventListener('visibilitychange', () => void request())
  void request()
}
