import { setTimeout as delay } from 'node:timers/promises'
import { ALL, type Bench, type Figures, startIdle } from './bench.ts'
import { processUse, type Role } from './bench-system.ts'

/** What each process costs. */

const IDLE_SECONDS = 10

export async function idle(bench: Bench): Promise<Figures> {
  await startIdle(bench)
  const cpu = (role: Role) => processUse(bench.system.pidOf(role) ?? 0)?.cpuSeconds ?? Number.NaN
  const before = { api: cpu('api'), dispatcher: cpu('dispatcher'), worker: cpu('worker') }
  await delay(IDLE_SECONDS * 1_000)
  const percent = (role: Role) => ((cpu(role) - before[role]) / IDLE_SECONDS) * 100
  return {
    'api % of a core': percent('api'),
    'dispatcher % of a core': percent('dispatcher'),
    'worker % of a core': percent('worker'),
  }
}

export async function memory(bench: Bench): Promise<Figures> {
  await bench.system.run(ALL)
  const peak = (role: Role) => processUse(bench.system.pidOf(role) ?? 0)?.peakRssMb ?? Number.NaN
  return { 'api MB': peak('api'), 'dispatcher MB': peak('dispatcher'), 'worker MB': peak('worker') }
}
