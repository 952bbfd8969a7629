import { setTimeout as delay } from 'node:timers/promises'
import type { Menu } from '../support/pipeline.ts'
import type { BenchSystem, Role } from './bench-system.ts'
import { closedLoop } from './closed-loop.ts'

/** The figures of one scenario by name. The last word of a name is its unit. */
export type Figures = Record<string, number>

interface Named {
  name: string
  /** one line for the progress output */
  about: string
}

/** Runs on the system that all such scenarios share. */
export interface SharedScenario extends Named {
  run: (bench: Bench) => Promise<Figures>
}

/** Creates a system of its own. */
export interface FreshScenario extends Named {
  runFresh: (bench: FreshBench) => Promise<Figures>
}

export type Scenario = SharedScenario | FreshScenario

export interface FreshBench {
  /** duration of one load */
  seconds: number
  /** folder of the checkout that is measured */
  checkout: string
}

export interface Bench extends FreshBench {
  system: BenchSystem
  menu: Menu
  /** a second system with old orders, for the growth scenarios */
  grown?: { system: BenchSystem; menu: Menu } | undefined
  /** undispatched events at the start of `drain-long` and `place-128-backlog` */
  backlogCount: number
}

export const ALL: Role[] = ['api', 'dispatcher', 'worker']
const WARM_UP_SECONDS = 4
const WARM_UP_CONNECTIONS = 64
const DRAIN_TIMEOUT_MS = 300_000
export const POLL_MS = 50

/** Returns order bodies, one per menu item, with `lines` consecutive items each. */
export function orderBodies({ restaurant_id, menu_item_ids }: Menu, lines = 1): string[] {
  return menu_item_ids.map((_, first) => {
    const items = Array.from({ length: lines }, (_, offset) => ({
      menu_item_id: menu_item_ids[(first + offset) % menu_item_ids.length],
      quantity: 1,
    }))
    return JSON.stringify({ restaurant_id, items })
  })
}

/** Marks all events as dispatched, so that the next scenario starts without a backlog. */
export async function clearBacklog({ system }: Bench): Promise<void> {
  await system.query(
    `update outbox_events set dispatched_at = now() where dispatched_at is null and quarantined_at is null`,
  )
}

/**
 * Waits until no order's event or job is unfinished. A job of maintenance may wait for 30 s until a
 * worker polls its queue, and what runs meanwhile is not part of what orders cost.
 */
export async function untilDrained(
  { system }: Pick<Bench, 'system'>,
  timeoutMs = DRAIN_TIMEOUT_MS,
): Promise<void> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const rows = await system.query(
      `select 1 from outbox_events where dispatched_at is null and quarantined_at is null
      union all select 1 from pgboss.job where state in ('created', 'retry', 'active') and name !~ '^(maintenance[.]|__pgboss)' limit 1`,
    )
    if (rows.length === 0) return
    if (Date.now() > deadline)
      throw new Error(`the asynchronous pipeline did not drain within ${timeoutMs / 60_000} minutes`)
    await delay(POLL_MS)
  }
}

/**
 * Runs exactly these roles. A new API gets a load that is not measured first, because V8 still
 * compiles.
 */
export async function runWarm(bench: Bench, roles: Role[], env: Record<string, string> = {}): Promise<void> {
  const { system, menu } = bench
  if (!(await system.run(roles, env)) || !roles.includes('api')) return
  const { baseUrl } = system.api
  await closedLoop({
    baseUrl,
    bodies: orderBodies(menu),
    connections: WARM_UP_CONNECTIONS,
    seconds: WARM_UP_SECONDS,
  })
  await (roles.includes('worker') ? untilDrained(bench) : clearBacklog(bench))
}

/**
 * Runs every role and waits until all are idle.
 * @returns the time; later orders belong to the measurement
 */
export async function startIdle(bench: Bench): Promise<Date> {
  await clearBacklog(bench)
  await runWarm(bench, ALL)
  await untilDrained(bench)
  return new Date()
}
