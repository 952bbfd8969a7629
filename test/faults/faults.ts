import { canMountDisks } from '../support/limited-disk.ts'
import { killDuringAction } from './action-faults.ts'
import { fullQueue } from './backlog-faults.ts'
import { chainedStepPaused, chainedStepThrows } from './chained-step-faults.ts'
import { clockSkew } from './clock-faults.ts'
import {
  foreignPostmasterPid,
  halfOpen,
  killListeners,
  killPostgres,
  latency,
  restartPostgres,
  terminateBackends,
} from './database-faults.ts'
import {
  failover,
  failoverLossy,
  standbyBehindTheAddress,
  standbyLost,
  switchover,
} from './failover-faults.ts'
import type { Fault } from './fault.ts'
import { deadlockPressure, hotItem, idleTransaction } from './lock-faults.ts'
import { dropPartitions } from './partition-faults.ts'
import { poisonExits, poisonThrows, retryStorm } from './poison-faults.ts'
import {
  freezeWorker,
  kill,
  killAtFailpoint,
  rollingRestart,
  silentConnectionAtStop,
} from './process-faults.ts'
import { killStartChild } from './start-fault.ts'
import { diskFull, readOnlyWindow } from './unwritable-faults.ts'

/** All faults that the suite injects. */
export const faults: Fault[] = [
  kill('api'),
  kill('dispatcher'),
  kill('worker'),
  killAtFailpoint('dispatcher', 'dispatcher.claimed'),
  killAtFailpoint('dispatcher', 'dispatcher.jobs-inserted'),
  killAtFailpoint('dispatcher', 'dispatcher.before-commit'),
  killAtFailpoint('dispatcher', 'dispatcher.after-commit'),
  killAtFailpoint('worker', 'worker.begun'),
  killAtFailpoint('worker', 'worker.effect-written'),
  killAtFailpoint('worker', 'worker.chained'),
  killAtFailpoint('worker', 'worker.before-commit'),
  killAtFailpoint('worker', 'worker.after-commit'),
  freezeWorker,
  killStartChild,
  rollingRestart,
  silentConnectionAtStop,
  clockSkew,
  terminateBackends,
  killListeners,
  killPostgres,
  restartPostgres,
  foreignPostmasterPid,
  halfOpen,
  latency,
  failover,
  switchover,
  failoverLossy,
  standbyBehindTheAddress,
  standbyLost,
  readOnlyWindow,
  ...(canMountDisks() ? [diskFull] : []),
  chainedStepThrows,
  chainedStepPaused,
  deadlockPressure,
  hotItem,
  idleTransaction,
  dropPartitions,
  fullQueue,
  killDuringAction,
  poisonThrows,
  poisonExits,
  retryStorm,
]
