import { setTimeout as delay } from 'node:timers/promises'
import type { Member, Role } from './cluster.ts'
import type { Fault } from './fault.ts'
import type { Postgres } from './postgres.ts'
import { untilPrepared, untilTrue } from './wait.ts'

/** Processes that die, freeze or are restarted. */

export const kill = (role: Role): Fault => ({
  name: `kill-${role}`,
  about: `kill -9 of one ${role}`,
  run: async ({ cluster, random }) => {
    cluster.kill(random.pick(cluster.of(role)))
    return []
  },
})

/** Starts one process of a role with a trap, which springs somewhere within its first hits. */
export const trap = (role: Role, failpoint: string): Fault => ({
  name: `trap-${failpoint}`,
  about: `kill -9 of one ${role} at ${failpoint}`,
  run: async ({ cluster, random, clients }) => {
    const member = random.pick(cluster.of(role))
    const before = member.trapped
    await cluster.restart(member, `${failpoint}=kill#${random.integer(1, TRAP_HITS)}`)
    const hasSprung = await untilTrue(TRAP_TIMEOUT_MS, async () => {
      await clients.place()
      return member.trapped > before
    })
    return hasSprung ? [] : ['the trap did not spring']
  },
})

const TRAP_HITS = 5
const TRAP_TIMEOUT_MS = 60_000

/** Longer than a heartbeat of pg-boss's (10 s) and its supervision. */
const FREEZE_MS = 16_000
/** A frozen worker may hold up others by its locks for so long. */
const FROZEN_LOCKS_MS = 5_000

export const freezeWorker: Fault = {
  name: 'freeze-worker',
  about: `SIGSTOP of a worker that holds locks, for ${FREEZE_MS / 1_000} s, past its heartbeat, then SIGCONT`,
  run: async surroundings => {
    const { cluster, random, clients, postgres } = surroundings
    const member = random.pick(cluster.of('worker'))
    await cluster.restart(member, `worker.effect-written=freeze#${random.integer(1, TRAP_HITS)}`)
    const isFrozen = await untilTrue(TRAP_TIMEOUT_MS, async () => {
      await clients.place()
      return await isSilentInTransaction(postgres)
    })
    if (!isFrozen) return ['the worker did not freeze']
    const began = Date.now()
    const order = await clients.placeEverything()
    const isFree = await untilPrepared(postgres, order, FROZEN_LOCKS_MS)
    await delay(Math.max(0, began + FREEZE_MS - Date.now()))
    member.child?.kill('SIGCONT')
    return isFree ? [] : [`its locks held up others for more than ${FROZEN_LOCKS_MS / 1_000} s`]
  },
}

export const rollingRestart: Fault = {
  name: 'rolling-restart',
  about: 'SIGTERM of every process of every role in turn; no request may fail',
  run: async ({ cluster, clients }) => {
    const before = clients.attempts.length
    const codes: string[] = []
    for (const member of cluster.members) {
      // An orchestrator takes it out of rotation first, and waits a moment.
      member.inRotation = false
      await delay(50)
      const code = await cluster.restart(member)
      if (code !== 0) codes.push(`${describe(member)} exited with ${code}`)
    }
    const failed = clients.attempts.slice(before).filter(({ status }) => status === 0 || status >= 500)
    return [
      ...codes,
      ...failed.map(
        ({ kind, status }) => `a request (${kind}) failed with ${status} during the rolling restart`,
      ),
    ]
  },
}

function describe({ role, index }: Member): string {
  return `${role} ${index}`
}

async function isSilentInTransaction(postgres: Postgres): Promise<boolean> {
  const rows = await postgres.query(
    `select 1 from pg_stat_activity where application_name = 'comanda-worker' and state = 'idle in transaction'
      and state_change < clock_timestamp() - interval '0.5 s'`,
  )
  return rows.length > 0
}
