import { setTimeout as delay } from 'node:timers/promises'
import { type Bench, type Figures, startIdle } from './bench.ts'
import type { Role } from './bench-system.ts'
import { processUse } from './process-use.ts'

/** Scenarios that measure the CPU and memory of each process. */

const IDLE_SECONDS = 10

export async function idle(bench: Bench): Promise<Figures> {
  await startIdle(bench)
  const cpu = (role: Role) => processUse(bench.system.pidOf(role) ?? 0)?.cpuSeconds ?? Number.NaN
  const before = { api: cpu('api'), dispatcher: cpu('dispatcher'), worker: cpu('worker') }
  await delay(IDLE_SECONDS * 1_000)
  const percent = (role: keyof typeof before) => ((cpu(role) - before[role]) / IDLE_SECONDS) * 100
  return {
    'api % of a core': percent('api'),
    'dispatcher % of a core': percent('dispatcher'),
    'worker % of a core': percent('worker'),
  }
}

/** Returns the peak memory of each role so far, processes that have ended included. */
export async function memory({ system }: Bench): Promise<Figures> {
  return {
    'api MB': system.peakOf('api'),
    'dispatcher MB': system.peakOf('dispatcher'),
    'worker MB': system.peakOf('worker'),
  }
}
