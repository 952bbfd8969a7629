import { killChildren, startChild } from '../support/child.ts'
import { freePort } from '../support/free-port.ts'
import { untilTrue } from '../support/until.ts'
import type { Member } from './cluster.ts'
import type { Fault, TestBed } from './fault.ts'

const START_TIMEOUT_MS = 120_000
const STOP_TIMEOUT_MS = 30_000
/** Orders that are placed while `npm start` takes part. */
const ORDER_COUNT = 50
const SENTENCE =
  /^comanda: the process of dispatcher and worker \(pid \d+\) has ended unexpectedly \(SIGKILL\)/

export const killStartChild: Fault = {
  name: 'kill-start-child',
  about: 'kill -9 of the child process of an `npm start` that takes part: all of it must stop',
  run: async testBed => {
    const { cluster, postgres, proxy, clients } = testBed
    const url = new URL(postgres.server.url)
    url.port = String(proxy.port)
    const member = apiOnPort(await freePort())
    const start = startChild(['src/main.ts', 'all'], { DATABASE_URL: url.href, PORT: String(member.port) })
    try {
      if (!(await untilTrue(START_TIMEOUT_MS, async () => start.output().includes('all is ready'))))
        return [`npm start did not become ready: ${start.errors()}`]
      const pid = await otherWorker(testBed)
      cluster.members.push(member)
      for (let count = 0; count < ORDER_COUNT; count++) await clients.place()
      process.kill(pid, 'SIGKILL')
      let code: Awaited<typeof start.ended> | undefined
      void start.ended.then(ended => (code = ended))
      await untilTrue(STOP_TIMEOUT_MS, async () => code !== undefined)
      return [
        ...(code === 1 ? [] : [`npm start ended with ${code} after its child process was killed`]),
        ...(SENTENCE.test(start.errors()) ? [] : [`npm start printed ${JSON.stringify(start.errors())}`]),
      ]
    } finally {
      const index = cluster.members.indexOf(member)
      if (index >= 0) cluster.members.splice(index, 1)
      killChildren()
    }
  },
}

/** Returns an API for clients that no supervisor starts again. */
function apiOnPort(port: number): Member {
  return {
    role: 'api',
    index: -1,
    port,
    child: undefined,
    inRotation: true,
    expectedToEnd: true,
    failpoints: '',
    failpointKills: 0,
    env: {},
    onOutput: () => undefined,
  }
}

/** Returns the process id of the worker that does not belong to the cluster. */
async function otherWorker({ cluster, postgres }: TestBed): Promise<number> {
  const own = cluster.of('worker').map(({ child }) => child?.pid ?? 0)
  const [row] = await postgres.query<{ pid: number }>(
    `select pid from process_heartbeats where role = 'worker' and pid <> all($1::integer[])
      order by beat_at desc limit 1`,
    [own],
  )
  if (!row) throw new Error('the worker of npm start has no heartbeat')
  return row.pid
}
