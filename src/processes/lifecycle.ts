import type { Logger } from '../platform/log.ts'
import type { Service } from './service.ts'

/**
 * npm repeats the Ctrl-C that the terminal has already sent: signals this close together count as
 * one.
 */
const REPEAT_MS = 1_000

/**
 * Stops the service on SIGINT or SIGTERM within `timeoutMs`, and exits with 0. A service that is
 * still starting is stopped once started. After a second signal, or after `timeoutMs`, exits at
 * once with 1. Called before the start, because signals have no default action in process 1 of a
 * container.
 */
export function stopOnSignal(starting: Promise<Service | undefined>, timeoutMs: number, log: Logger): void {
  let stoppingSince: number | undefined

  function onSignal(signal: NodeJS.Signals): void {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince > REPEAT_MS) abort('aborted by a second signal')
      return
    }
    stoppingSince = performance.now()
    log.info({ signal }, 'stopping')
    setTimeout(() => abort('could not stop in time'), timeoutMs + REPEAT_MS).unref()
    void stop()
  }

  async function stop(): Promise<void> {
    try {
      const service = await starting
      await service?.stop(timeoutMs)
      log.info('stopped')
      process.exit(0)
    } catch (error) {
      abort(`could not stop cleanly: ${String(error)}`)
    }
  }

  function abort(reason: string): void {
    log.error(reason)
    process.exit(1)
  }

  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
}
