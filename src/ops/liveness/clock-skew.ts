import { systemClockSkewMs } from '../../platform/clock.ts'
import type { Logger } from '../../platform/log.ts'
import { meter } from '../../platform/meters.ts'

/** A larger skew is reported. Times and ids are corrected, but log lines have the system's time. */
const TOLERATED_MS = 1_000

meter
  .createObservableGauge('comanda.clock.skew.seconds', {
    description:
      'Seconds by which the system clock of this process is ahead of the clock of the database; negative: behind',
    unit: 's',
  })
  .addCallback(result => result.observe(systemClockSkewMs() / 1_000))

/** The skew that was logged last; 0: within tolerance. The roles of one process share its clock. */
let loggedMs = 0

/** Logs the skew of the system clock when it has changed by more than the tolerance. */
export function logClockSkew(log: Logger): void {
  const skewMs = systemClockSkewMs()
  if (Math.abs(skewMs - loggedMs) <= TOLERATED_MS) return
  loggedMs = Math.abs(skewMs) > TOLERATED_MS ? skewMs : 0
  const fields = { skew_seconds: Math.round(skewMs / 100) / 10 }
  if (loggedMs === 0) log.info(fields, 'the system clock agrees with the clock of the database again')
  else log.warn(fields, `the system clock ${describeClockSkew()}; stored times and ids are corrected`)
}

/** Returns `ok`, or the skew of the system clock in words. */
export function describeClockSkew(): string {
  const skewMs = systemClockSkewMs()
  if (Math.abs(skewMs) <= TOLERATED_MS) return 'ok'
  const seconds = (Math.abs(skewMs) / 1_000).toFixed(1)
  return `is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} the clock of the database`
}
