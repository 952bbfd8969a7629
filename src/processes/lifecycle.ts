import type { Logger } from '../platform/log.ts'
import type { Service } from './service.ts'

/** npm passes on the Ctrl-C that the terminal has sent already: two that come so close are one. */
const REPEAT_MS = 1_000

/**
 * From now on, SIGINT and SIGTERM stop the service, within `timeoutMs`, and end the process with 0; one that is still
 * starting is stopped as soon as it has. A second signal, or the time running out, ends the process at once with 1.
 * It listens from the start, because as process 1 of a container no signal has a default.
 */
export function stopOnSignal(starting: Promise<Service | undefined>, timeoutMs: number, log: Logger): void {
  let stoppingSince: number | undefined

  function onSignal(signal: NodeJS.Signals): void {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince > REPEAT_MS) abandon('stopped the hard way by a second signal')
      return
    }
    stoppingSince = performance.now()
    log.info({ signal }, 'stopping')
    setTimeout(() => abandon('could not stop in time'), timeoutMs + REPEAT_MS).unref()
    void stop()
  }

  async function stop(): Promise<void> {
    try {
      const service = await starting
      await service?.stop(timeoutMs)
      log.info('stopped')
      process.exit(0)
    } catch (error) {
      abandon(`could not stop cleanly: ${String(error)}`)
    }
  }

  function abandon(why: string): void {
    log.error(why)
    process.exit(1)
  }

  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
}
