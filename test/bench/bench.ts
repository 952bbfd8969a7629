import { setTimeout as delay } from 'node:timers/promises'
import type { BenchSystem, Role } from './bench-system.ts'
import type { Menu } from './limit.ts'
import { closedLoop } from './load.ts'

/** What one scenario measured, by name; the unit is the last word of the name. */
export type Figures = Record<string, number>

export interface Scenario {
  name: string
  /** what it does, in a line */
  about: string
  run: (bench: Bench) => Promise<Figures>
}

export interface Bench {
  system: BenchSystem
  menu: Menu
  /** length of one load, in s */
  seconds: number
  /** a second system, full of old orders; only when it was asked for */
  grown?: { system: BenchSystem; menu: Menu } | undefined
  /** events that wait when the drain of a long backlog begins */
  backlogCount: number
}

export const ALL: Role[] = ['api', 'dispatcher', 'worker']
const WARM_UP_SECONDS = 4
const WARM_UP_CONNECTIONS = 64
const DRAIN_TIMEOUT_MS = 300_000
export const POLL_MS = 50

/** Orders of one line each, over all items of the menu. */
export function singles({ restaurant_id, menu_item_ids }: Menu, lines = 1): string[] {
  return menu_item_ids.map((_, first) => {
    const items = Array.from({ length: lines }, (_, offset) => ({
      menu_item_id: menu_item_ids[(first + offset) % menu_item_ids.length],
      quantity: 1,
    }))
    return JSON.stringify({ restaurant_id, items })
  })
}

/** Makes the next scenario start with nothing to do. */
export async function clearBacklog({ system }: Bench): Promise<void> {
  await system.query(
    `update outbox_events set dispatched_at = now() where dispatched_at is null and quarantined_at is null`,
  )
}

export async function untilDrained(
  { system }: Pick<Bench, 'system'>,
  timeoutMs = DRAIN_TIMEOUT_MS,
): Promise<void> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const rows = await system.query(
      `select 1 from outbox_events where dispatched_at is null and quarantined_at is null
      union all select 1 from pgboss.job where state in ('created', 'retry', 'active') and name <> '__pgboss__send-it' limit 1`,
    )
    if (rows.length === 0) return
    if (Date.now() > deadline) throw new Error(`the slow path did not drain in ${timeoutMs / 60_000} minutes`)
    await delay(POLL_MS)
  }
}

/** Just these roles run. Those that were started now have had some load first, which is not measured: a young process still compiles. */
export async function runWarm(bench: Bench, roles: Role[], env: Record<string, string> = {}): Promise<void> {
  const { system, menu } = bench
  if (!(await system.run(roles, env)) || !roles.includes('api')) return
  const { baseUrl } = system.api
  await closedLoop({
    baseUrl,
    bodies: singles(menu),
    connections: WARM_UP_CONNECTIONS,
    seconds: WARM_UP_SECONDS,
  })
  await (roles.includes('worker') ? untilDrained(bench) : clearBacklog(bench))
}

/** Every role runs and has nothing to do. @returns the time from which on orders count */
export async function startIdle(bench: Bench): Promise<Date> {
  await clearBacklog(bench)
  await runWarm(bench, ALL)
  await untilDrained(bench)
  return new Date()
}
