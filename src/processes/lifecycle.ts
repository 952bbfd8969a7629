import type { Logger } from '../platform/log.ts'
import type { Service } from './service.ts'

/** npm passes on the Ctrl-C that the terminal has sent already: two that come so close are one. */
const REPEAT_MS = 1_000

/**
 * Runs a service until SIGINT or SIGTERM, then stops it within `timeoutMs` and exits with 0. A second signal, or the
 * time running out, ends the process at once with 1.
 */
export function stopOnSignal(service: Service, timeoutMs: number, log: Logger): void {
  let stoppingSince: number | undefined

  function onSignal(signal: NodeJS.Signals): void {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince > REPEAT_MS) abandon('stopped the hard way by a second signal')
      return
    }
    stoppingSince = performance.now()
    log.info({ signal }, 'stopping')
    setTimeout(() => abandon('could not stop in time'), timeoutMs + REPEAT_MS).unref()
    service.stop(timeoutMs).then(
      () => {
        log.info('stopped')
        process.exit(0)
      },
      (error: unknown) => abandon(`could not stop cleanly: ${String(error)}`),
    )
  }

  function abandon(why: string): void {
    log.error(why)
    process.exit(1)
  }

  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
}
