import {
  halfOpen,
  killListeners,
  killPostgres,
  latency,
  restartPostgres,
  terminateBackends,
} from './database-faults.ts'
import type { Fault } from './fault.ts'
import { deadlockPressure, hotItem, idleTransaction } from './lock-faults.ts'
import { poisonExits, poisonThrows, retryStorm } from './poison-faults.ts'
import { freezeWorker, kill, rollingRestart, trap } from './process-faults.ts'

/** Everything that the suite does to the system. */
export const faults: Fault[] = [
  kill('api'),
  kill('dispatcher'),
  kill('worker'),
  trap('dispatcher', 'dispatcher.claimed'),
  trap('dispatcher', 'dispatcher.jobs-inserted'),
  trap('dispatcher', 'dispatcher.before-commit'),
  trap('dispatcher', 'dispatcher.after-commit'),
  trap('worker', 'worker.begun'),
  trap('worker', 'worker.effect-written'),
  trap('worker', 'worker.before-commit'),
  trap('worker', 'worker.after-commit'),
  freezeWorker,
  rollingRestart,
  terminateBackends,
  killListeners,
  killPostgres,
  restartPostgres,
  halfOpen,
  latency,
  deadlockPressure,
  hotItem,
  idleTransaction,
  poisonThrows,
  poisonExits,
  retryStorm,
]
