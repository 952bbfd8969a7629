import { skewClock } from './skew-clock.ts'

/** Preloaded with `--import`: skews the system clock of the process by `CLOCK_SKEW_MS`. */
skewClock(Number(process.env['CLOCK_SKEW_MS']))
