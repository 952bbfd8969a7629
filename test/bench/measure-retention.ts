import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { withFreshSystem } from './as-it-comes.ts'
import { ALL, type Figures, type FreshBench, untilDrained } from './bench.ts'
import { BenchSystem } from './bench-system.ts'
import { openLoop } from './open-loop.ts'

const EVENTS_PER_SECOND = 1_000
/** Placed, stock deducted, preparing. */
const EVENTS_PER_ORDER = 3
const SAMPLE_MS = 10_000
/** The shortest settings. */
const RETENTION = {
  OUTBOX_RETENTION_MINUTES: '5',
  PROCESSED_RETENTION_MINUTES: '5',
  JOB_RETENTION_MINUTES: '1',
  IDEMPOTENCY_RETENTION_MINUTES: '1',
}
const TABLES = [
  'outbox_events',
  'processed_events',
  'pgboss.job',
  'webhook_deliveries',
  'webhook_attempts',
  'job_trials',
  'idempotency_keys',
]

/**
 * Places orders that emit 1,000 events per second, each with an idempotency key and one webhook
 * delivery, with the shortest retention. Counts the rows of the tables that retention limits: they
 * level off after about 7 minutes, so that a run should last 10.
 */
export async function retention({ seconds, checkout }: FreshBench): Promise<Figures> {
  const endpoint = createServer((request, response) => {
    request.resume()
    response.writeHead(204).end()
  })
  await new Promise<void>(done => endpoint.listen(0, '127.0.0.1', done))
  const address = endpoint.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`
  const env = { ...RETENTION, WEBHOOK_ALLOW_PRIVATE: 'true' }
  const system = await BenchSystem.createAsItComes({ checkout, env })
  try {
    return await withFreshSystem(system, ALL, async ({ bodies }) => {
      await system.api.addWebhook({ url, description: 'bench', event_types: ['order.placed.v1'] })
      const { baseUrl } = system.api
      const rate = EVENTS_PER_SECOND / EVENTS_PER_ORDER
      const load = openLoop({ baseUrl, bodies, connections: 64, seconds, rate, newKey: randomUUID })
      const samples = await sampleUntil(system, load)
      const { perSecond, p99Ms, maxMs, errors } = await load
      await untilDrained({ system })
      return {
        'events/s': perSecond * EVENTS_PER_ORDER,
        'request p99 ms': p99Ms,
        'slowest request ms': maxMs,
        errors,
        ...Object.fromEntries(TABLES.flatMap(table => thirdsOf(table, samples))),
      }
    })
  } finally {
    await new Promise(done => endpoint.close(done))
  }
}

/** Counts the rows of all tables every 10 s until the load ends. */
async function sampleUntil(system: BenchSystem, load: Promise<unknown>): Promise<Figures[]> {
  const samples: Figures[] = []
  const loaded = load.then(() => true)
  for (let isLoaded = false; !isLoaded; ) {
    isLoaded = await Promise.race([loaded, delay(SAMPLE_MS, false)])
    const counts = TABLES.map(table => `(select count(*) from ${table})::integer as "${table}"`)
    samples.push(...(await system.query<Figures>(`select ${counts.join(', ')}`)))
  }
  return samples
}

/** Returns the most rows that each third of the run has seen: the last two are alike at a level. */
function thirdsOf(table: string, samples: readonly Figures[]): [figure: string, rows: number][] {
  return [0, 1, 2].map(third => {
    const part = samples.filter((_, index) => Math.floor((index * 3) / samples.length) === third)
    return [`${table} in third ${third + 1} rows`, Math.max(0, ...part.map(sample => sample[table] ?? 0))]
  })
}
