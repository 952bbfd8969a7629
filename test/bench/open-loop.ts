import { Agent, request } from 'node:http'
import { Latencies } from '../../scripts/support/latencies.ts'
import { poissonArrivals, runArrivals } from '../../scripts/support/poisson-arrivals.ts'
import { SeededRandom } from '../../scripts/support/seeded-random.ts'
import { type Load, type LoadResult, ORDERS_PATH } from './load.ts'

const ARRIVALS_SEED = 1

/**
 * Sends `rate` orders per second at random moments, however long responses take, over all
 * connections in rotation. Latency is measured from the moment an order was due, so that a slow
 * response cannot hide the delay of the orders behind it.
 */
export async function openLoop({
  baseUrl,
  bodies,
  connections,
  seconds,
  rate,
}: Load & { rate: number }): Promise<LoadResult> {
  const agents = Array.from({ length: connections }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
  const latencies = new Latencies()
  const pending = new Set<Promise<void>>()
  let sent = 0
  let errors = 0
  async function send(body: string, agent: Agent | undefined, dueAt: number): Promise<void> {
    if (!(await post(baseUrl, body, agent))) errors++
    latencies.record(performance.now() - dueAt)
  }

  const arrivals = poissonArrivals(new SeededRandom(ARRIVALS_SEED, 'arrivals'), rate, seconds * 1_000)
  const started = performance.now()
  await runArrivals(arrivals, new AbortController().signal, dueAt => {
    const answered = send(bodies[sent % bodies.length] ?? '', agents[sent % agents.length], dueAt)
    void answered.finally(() => pending.delete(answered))
    pending.add(answered)
    sent++
  })
  await Promise.all(pending)
  const perSecond = (sent - errors) / ((performance.now() - started) / 1_000)
  for (const agent of agents) agent.destroy()
  return { perSecond, p50Ms: latencies.percentile(50), p99Ms: latencies.percentile(99), errors }
}

/** @returns whether the order was accepted; false without a response */
async function post(baseUrl: string, body: string, agent: Agent | undefined): Promise<boolean> {
  return await new Promise(done => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const outgoing = request(baseUrl + ORDERS_PATH, { method: 'POST', agent, headers }, response => {
      response.resume()
      response.once('end', () => done(response.statusCode === 202))
      response.once('error', () => done(false))
    })
    outgoing.once('error', () => done(false))
    outgoing.end(body)
  })
}
