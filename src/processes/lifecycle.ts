import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../platform/log.ts'
import type { Service } from './service.ts'
import { endsWithin } from './stop-in-budget.ts'

/**
 * npm repeats the Ctrl-C that the terminal has already sent: signals this close together count as
 * one.
 */
const REPEAT_MS = 1_000
const PARENT_POLL_MS = 200

export interface StopOptions {
  /** called when a stop begins, e.g. to end a start that waits */
  onStop: () => void
  /** readiness is off and work continues: a load balancer notices it in this time */
  drainMs: number
  /** maximum duration of the stop after that */
  budgetMs: number
  /** also stops when the parent process has ended */
  endsWithParent: boolean
}

export interface Lifecycle {
  /**
   * Stops the service within its budget, because a part of it has failed. Never resolves when a
   * signal has begun a stop already, which then ends this process.
   */
  stopAfterFailure(): Promise<void>
}

/**
 * Stops the service on SIGINT or SIGTERM: turns its readiness off, works on for `drainMs`, stops
 * within `budgetMs`, and exits with 0. A service that is still starting is stopped once started.
 * After a second signal, or after the budget, exits at once with 1. Called before the start,
 * because signals have no default action in process 1 of a container.
 */
export function stopOnSignal(
  starting: Promise<Service | undefined>,
  { onStop, drainMs, budgetMs, endsWithParent }: StopOptions,
  log: Logger,
): Lifecycle {
  let stoppingSince: number | undefined

  function onSignal(signal: NodeJS.Signals): void {
    if (stoppingSince === undefined) begin({ signal }, 'stopping')
    else if (performance.now() - stoppingSince > REPEAT_MS) abort('aborted by a second signal')
  }

  function begin(fields: object, message: string): void {
    if (stoppingSince !== undefined) return
    stoppingSince = performance.now()
    log.info(fields, message)
    onStop()
    setTimeout(() => abort('could not stop in time'), drainMs + budgetMs + REPEAT_MS).unref()
    void stop()
  }

  async function stop(): Promise<void> {
    try {
      const service = await starting
      service?.drain()
      if (drainMs > 0) await delay(drainMs)
      await service?.stop(budgetMs)
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
  if (endsWithParent) onParentEnd(() => begin({}, 'stopping: npm, which started this process, has ended'))
  return {
    stopAfterFailure: async () => {
      if (stoppingSince !== undefined) await new Promise(() => undefined)
      stoppingSince = performance.now()
      const stopped = starting.then(service => service?.stop(budgetMs))
      await endsWithin(budgetMs, stopped).catch((error: unknown) =>
        log.error({ error: String(error) }, 'could not stop cleanly'),
      )
    },
  }
}

/**
 * Calls `onEnd` when the parent process has ended. npm passes signals to the shell that runs the
 * script, and that shell ends without passing them on.
 */
function onParentEnd(onEnd: () => void): void {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    onEnd()
  }, PARENT_POLL_MS)
  timer.unref()
}
