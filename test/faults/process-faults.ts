import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { untilTrue } from '../support/until.ts'
import type { Member, Role } from './cluster.ts'
import type { DatabaseUnderTest } from './database-under-test.ts'
import type { Fault } from './fault.ts'
import { untilPrepared } from './until-prepared.ts'

/** Processes that are killed, frozen or restarted. */

export const kill = (role: Role): Fault => ({
  name: `kill-${role}`,
  about: `kill -9 of one ${role}`,
  run: async ({ cluster, random }) => {
    cluster.kill(random.pick(cluster.of(role)))
    return []
  },
})

/** A failpoint fires at a random one of its first hits. */
const MAX_HIT = 5
const FAILPOINT_TIMEOUT_MS = 60_000

export const killAtFailpoint = (role: Role, failpoint: string): Fault => ({
  name: `trap-${failpoint}`,
  about: `kill -9 of one ${role} at the failpoint ${failpoint}`,
  run: async ({ cluster, random, clients }) => {
    const member = random.pick(cluster.of(role))
    const before = member.failpointKills
    await cluster.restart(member, `${failpoint}=kill#${random.integer(1, MAX_HIT)}`)
    const hasFired = await untilTrue(FAILPOINT_TIMEOUT_MS, async () => {
      await clients.place()
      return member.failpointKills > before
    })
    return hasFired ? [] : [`the failpoint ${failpoint} did not fire`]
  },
})

/** Longer than the heartbeat of pg-boss (10 s) and the interval of its monitor. */
const FREEZE_MS = 16_000
/** A frozen worker's locks may block other orders for at most this long. */
const FROZEN_LOCKS_MS = 5_000

export const freezeWorker: Fault = {
  name: 'freeze-worker',
  about: `SIGSTOP of a worker that holds locks, for ${FREEZE_MS / 1_000} s, past its heartbeat, then SIGCONT`,
  run: async ({ cluster, random, clients, postgres }) => {
    const member = random.pick(cluster.of('worker'))
    await cluster.restart(member, `worker.effect-written=freeze#${random.integer(1, MAX_HIT)}`)
    const isFrozen = await untilTrue(FAILPOINT_TIMEOUT_MS, async () => {
      await clients.place()
      return await isWorkerIdleInTransaction(postgres)
    })
    if (!isFrozen) return ['the worker did not freeze']
    const began = Date.now()
    const order = await clients.placeEverything()
    const isPrepared = await untilPrepared(postgres, order, FROZEN_LOCKS_MS)
    await delay(Math.max(0, began + FREEZE_MS - Date.now()))
    member.child?.kill('SIGCONT')
    return isPrepared ? [] : [`its locks blocked another order for more than ${FROZEN_LOCKS_MS / 1_000} s`]
  },
}

export const rollingRestart: Fault = {
  name: 'rolling-restart',
  about: 'SIGTERM of every process of every role in turn; no request may fail',
  run: async ({ cluster, clients }) => {
    const before = clients.attempts.length
    const badExits: string[] = []
    for (const member of cluster.members) {
      // An orchestrator takes a process out of rotation a moment before it sends SIGTERM.
      member.inRotation = false
      await delay(50)
      const code = await cluster.restart(member)
      if (code !== 0) badExits.push(`${describe(member)} exited with ${code}`)
    }
    const failed = clients.attempts.slice(before).filter(({ status }) => status === 0 || status >= 500)
    return [
      ...badExits,
      ...failed.map(
        ({ kind, status }) => `a request (${kind}) failed with ${status} during the rolling restart`,
      ),
    ]
  },
}

/** A stop that waits for silent clients takes at least the 10 s of SHUTDOWN_TIMEOUT_MS. */
const SILENT_STOP_MS = 8_000
const SILENT_COUNT = 20

export const silentConnectionAtStop: Fault = {
  name: 'silent-connection-at-stop',
  about: `SIGTERM of one API with ${SILENT_COUNT} connections that have sent nothing or half a header`,
  run: async ({ cluster, random }) => {
    const member = random.pick(cluster.of('api'))
    const sockets = await Promise.all(
      Array.from({ length: SILENT_COUNT }, () =>
        openSilent(member.port, random.pick(['', 'POST /api/v1/orders HTTP/1.1\r\nHost: loc'])),
      ),
    )
    const began = Date.now()
    const stopped = new Promise<number>(done => member.child?.once('exit', () => done(Date.now() - began)))
    const code = await cluster.restart(member)
    const stopMs = await stopped
    for (const socket of sockets) socket.destroy()
    return [
      ...(code === 0 ? [] : [`${describe(member)} exited with ${code}`]),
      ...(stopMs < SILENT_STOP_MS ? [] : [`${describe(member)} took ${stopMs} ms to stop`]),
    ]
  },
}

async function openSilent(port: number, sent: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await new Promise<void>((done, fail) => socket.once('connect', done).once('error', fail))
  socket.on('error', () => undefined)
  if (sent !== '') socket.write(sent)
  return socket
}

function describe({ role, index }: Member): string {
  return `${role} ${index}`
}

async function isWorkerIdleInTransaction(postgres: DatabaseUnderTest): Promise<boolean> {
  const rows = await postgres.query(
    `select 1 from pg_stat_activity where application_name = 'comanda-worker' and state = 'idle in transaction'
      and state_change < clock_timestamp() - interval '0.5 s'`,
  )
  return rows.length > 0
}
