import { Agent, request } from 'node:http'
import { Latencies } from '../../scripts/support/latencies.ts'
import { poissonArrivals, runArrivals } from '../../scripts/support/poisson-arrivals.ts'
import { SeededRandom } from '../../scripts/support/seeded-random.ts'
import { type Load, type LoadResult, ORDERS_PATH } from './load.ts'

const ARRIVALS_SEED = 1

interface OpenLoad extends Load {
  /** orders per second */
  rate: number
  /** gets each accepted order, and when it was sent, on the clock of `performance.now()` */
  onPlaced?: (orderId: string, sentAt: number) => void
  /** returns the Idempotency-Key of a request; without it, requests have none */
  newKey?: () => string
}

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
  onPlaced,
  newKey,
}: OpenLoad): Promise<LoadResult & { maxMs: number }> {
  const agents = Array.from({ length: connections }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
  const latencies = new Latencies()
  const pending = new Set<Promise<void>>()
  let sent = 0
  let errors = 0
  async function send(body: string, agent: Agent | undefined, dueAt: number): Promise<void> {
    const sentAt = performance.now()
    const accepted = await post(baseUrl, body, agent, newKey?.())
    latencies.record(performance.now() - dueAt)
    if (accepted === undefined) errors++
    else onPlaced?.((JSON.parse(accepted) as { order_id: string }).order_id, sentAt)
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
  return {
    perSecond,
    p50Ms: latencies.percentile(50),
    p99Ms: latencies.percentile(99),
    maxMs: latencies.percentile(100),
    errors,
  }
}

/** @returns the body of the response; undefined if the order was not accepted */
async function post(
  baseUrl: string,
  body: string,
  agent: Agent | undefined,
  key: string | undefined,
): Promise<string | undefined> {
  return await new Promise(done => {
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    }
    const outgoing = request(baseUrl + ORDERS_PATH, { method: 'POST', agent, headers }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.once('end', () => done(response.statusCode === 202 ? text : undefined))
      response.once('error', () => done(undefined))
    })
    outgoing.once('error', () => done(undefined))
    outgoing.end(body)
  })
}
