import { setTimeout as delay } from 'node:timers/promises'
import type { PostgresServer } from '../support/postgres-server.ts'
import { cutReceiver, makeSynchronous, startStandby } from '../support/standby.ts'
import { untilTrue } from '../support/until.ts'
import { SETTINGS } from './database-under-test.ts'
import type { Fault, TestBed } from './fault.ts'
import { whileStreaming } from './stream-watch.ts'
import { untilPrepared } from './until-prepared.ts'

/** Faults of a primary with a standby. Each begins with one server and ends with one. */

const HEALTHY_TARGET_MS = 10_000
const NOTICED_TIMEOUT_MS = 30_000
const STANDBY_WINDOW_MS = 60_000
const WAITING_MS = 8_000
/** Commits that the standby has confirmed before it ended are answered by then. */
const SETTLED_MS = 500
/** Acknowledged requests that the standby does not get. */
const LOST_COUNT = 10

export const failover: Fault = {
  name: 'failover',
  about: 'kill -9 of the primary; its synchronous standby is promoted, and the address moves',
  run: testBed => moveTo(testBed, 'synchronous', async ({ postgres }) => postgres.server.kill()),
}

export const switchover: Fault = {
  name: 'switchover',
  about: 'clean shutdown of the primary; its synchronous standby is promoted, and the address moves',
  run: testBed => moveTo(testBed, 'synchronous', ({ postgres }) => postgres.server.shutDown()),
}

export const failoverLossy: Fault = {
  name: 'failover-lossy',
  about: 'kill -9 of the primary; an asynchronous standby that lacks its last commits is promoted',
  losesCommits: true,
  run: testBed =>
    moveTo(testBed, 'asynchronous', async ({ postgres, clients }, standby) => {
      await cutReceiver(standby)
      const count = clients.attempts.length
      const isAcknowledged = ({ status }: { status: number }) => status === 202
      await untilTrue(
        NOTICED_TIMEOUT_MS,
        async () => clients.attempts.slice(count).filter(isAcknowledged).length >= LOST_COUNT,
      )
      postgres.server.kill()
    }),
}

export const standbyBehindTheAddress: Fault = {
  name: 'standby-behind-the-address',
  about: `the address leads to the standby for ${STANDBY_WINDOW_MS / 1_000} s: every API is not ready and names it`,
  delaysOrders: true,
  run: async testBed => {
    const { cluster, clients, proxy, postgres } = testBed
    const standby = await startStandby(postgres.server, SETTINGS)
    const lead = (server: PostgresServer) => {
      proxy.retarget(server.port)
      proxy.cut()
    }
    try {
      return await whileStreaming(
        testBed,
        async () => {
          lead(standby)
          const count = clients.attempts.length
          const areUnready = await untilTrue(NOTICED_TIMEOUT_MS, async () => {
            const reports = await Promise.all(cluster.of('api').map(({ port }) => readiness(port)))
            return reports.every(report => report.includes('it is a standby'))
          })
          await delay(STANDBY_WINDOW_MS)
          const answers = clients.attempts.slice(count).filter(({ kind }) => kind === 'place')
          lead(postgres.server)
          return [
            ...(areUnready ? [] : ['an API was ready or did not name the standby']),
            ...(answers.some(({ status }) => status === 503) ? [] : ['no client got a 503']),
            ...(await expectHealthy(testBed)),
            ...(await jobsThatFailedOnAStandby(testBed)),
          ]
        },
        false,
      )
    } finally {
      lead(postgres.server)
      await standby.destroy()
    }
  },
}

export const standbyLost: Fault = {
  name: 'standby-lost',
  about: `kill -9 of the synchronous standby: commits wait for ${WAITING_MS / 1_000} s, until it is no longer required`,
  delaysOrders: true,
  run: async testBed => {
    const { postgres, clients } = testBed
    const standby = await startStandby(postgres.server, SETTINGS)
    await makeSynchronous(postgres.server)
    try {
      return await whileStreaming(
        testBed,
        async () => {
          standby.kill()
          const lostAt = Date.now()
          await delay(WAITING_MS)
          const waiting = clients.attempts.filter(({ at }) => at > lostAt + SETTLED_MS)
          await postgres.server.query('alter system reset synchronous_standby_names')
          await postgres.server.query('select pg_reload_conf()')
          return [
            ...(waiting.some(({ status }) => status < 300 && status > 0)
              ? ['a commit was acknowledged without the standby']
              : []),
            ...(await expectHealthy(testBed)),
          ]
        },
        false,
      )
    } finally {
      await standby.destroy()
    }
  },
}

/** Ends the primary by `end`, and makes a standby the only server. */
async function moveTo(
  testBed: TestBed,
  mode: 'synchronous' | 'asynchronous',
  end: (testBed: TestBed, standby: PostgresServer) => Promise<void>,
): Promise<string[]> {
  const { postgres, proxy } = testBed
  const standby = await startStandby(postgres.server, SETTINGS)
  if (mode === 'synchronous') await makeSynchronous(postgres.server)
  return await whileStreaming(
    testBed,
    async () => {
      await end(testBed, standby)
      await standby.promote()
      const promotedAt = Date.now()
      proxy.retarget(standby.port)
      proxy.cut()
      await postgres.replaceServer(standby)
      return [...(await expectHealthy(testBed, promotedAt)), ...(await jobsThatFailedOnAStandby(testBed))]
    },
    true,
  )
}

/** Expects that an order goes from POST to PREPARING within the target. */
async function expectHealthy(
  { clients, postgres, healthyAfter }: TestBed,
  began = Date.now(),
): Promise<string[]> {
  const isHealthy = await untilTrue(HEALTHY_TARGET_MS, async () => {
    const order = await clients.place()
    return order.status === 202 && (await untilPrepared(postgres, order, HEALTHY_TARGET_MS))
  })
  const ms = Date.now() - began
  healthyAfter(ms)
  return isHealthy && ms <= HEALTHY_TARGET_MS ? [] : [`not healthy within 10 s, but after ${ms} ms`]
}

async function jobsThatFailedOnAStandby({ postgres }: TestBed): Promise<string[]> {
  const jobs = await postgres.query<{ name: string; output: string }>(
    `select name, output::text as output from pgboss.job where output::text ~ 'standby|read-only'`,
  )
  return jobs.map(({ name, output }) => `a job of ${name} lost an attempt to a standby: ${output}`)
}

/** Returns the body of `/readyz` if the API is not ready. */
async function readiness(port: number): Promise<string> {
  const reply = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(3_000) })
  return reply.status === 503 ? await reply.text() : ''
}
