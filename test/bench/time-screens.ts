import type { Client } from 'pg'
import { pino } from 'pino'
import { parseConfig } from '../../src/platform/config.ts'
import { orderCode } from '../../src/platform/order-code.ts'
import { startApi } from '../../src/processes/api.ts'

const STOP_TIMEOUT_MS = 5_000

/** A request of the console: a name for the report, and the path. */
interface Screen {
  name: string
  path: string
}

/**
 * Returns the median time in milliseconds of each request that the screens of the console make,
 * over HTTP, with the body read.
 * @param url of a database that is filled
 */
export async function timeScreens(
  url: string,
  client: Client,
  rounds: number,
): Promise<(Screen & { ms: number })[]> {
  const screens = await screensOf(client)
  const api = await startApi(parseConfig({ PORT: '0' }), url, pino({ level: 'silent' }))
  try {
    const timed = []
    for (const screen of screens) {
      const times: number[] = []
      for (let round = 0; round < rounds; round++) times.push(await timeOf(`${api.url}${screen.path}`))
      timed.push({ ...screen, ms: times.sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? Number.NaN })
    }
    return timed
  } finally {
    await api.stop(STOP_TIMEOUT_MS)
  }
}

async function timeOf(url: string): Promise<number> {
  const started = performance.now()
  const response = await fetch(url)
  const body = await response.text()
  // A screen whose statement was ended counts as never shown.
  if (response.status === 503) return Number.POSITIVE_INFINITY
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${body}`)
  return performance.now() - started
}

/** The requests of every screen, with ids from the middle of the tables. */
async function screensOf(client: Client): Promise<Screen[]> {
  const one = async (sql: string): Promise<string> => {
    const { rows } = await client.query<{ value: string }>(sql)
    if (!rows[0]) throw new Error(`no row for a screen: ${sql}`)
    return rows[0].value
  }
  const order = await one('select order_id as value from orders order by order_id desc limit 1 offset 2100')
  const event = await one('select event_id as value from outbox_events order by event_id desc limit 1')
  const delivery = await one(
    'select delivery_id as value from webhook_deliveries order by delivery_id desc limit 1',
  )
  const middle = await one(
    `select to_json(dead_at) #>> '{}' as value from dead_letters order by dead_at desc limit 1 offset 1000`,
  )
  const ops = (name: string, operation: string, filters: Record<string, string> = {}): Screen => {
    const query = new URLSearchParams(filters).toString()
    return { name, path: `/api/v1/ops/${operation}${query && `?${query}`}` }
  }
  const letters = (name: string, filters: Record<string, string> = {}): Screen[] => [
    ops(`dead letters, ${name}`, 'dead-letters', filters),
    ops(`counts of dead letters, ${name}`, 'dead-letters/groups', filters),
  ]
  const queue = 'order.prepare'
  return [
    ops('overview', 'overview'),
    ops('find an order by id', 'search', { q: order }),
    ops('find an order by code', 'search', { q: orderCode(order) }),
    ops('find a customer', 'search', { q: 'customer-42' }),
    ops('find an event', 'search', { q: event }),
    ops('find a delivery', 'search', { q: delivery }),
    ops('story of an order', `orders/${order}`),
    ops('jobs of a queue', 'jobs', { queue }),
    ...['created', 'retry', 'active', 'completed', 'failed'].map(state =>
      ops(`jobs, ${state}`, 'jobs', { queue, state }),
    ),
    ...letters('all open'),
    ...letters('of a queue', { queue }),
    ...letters('of a type', { type: 'order.placed.v1' }),
    ...letters('with an error', { error: 'broken' }),
    ...letters('with an error of none', { error: 'nobody has this' }),
    ...letters('since a time', { since: middle }),
    ops('dead letters, redriven', 'dead-letters', { fate: 'REDRIVEN' }),
    ops('quarantined events', 'quarantined-events'),
    ops('quarantined events with an error of none', 'quarantined-events', { error: 'nobody has this' }),
    ops('webhooks', 'webhooks'),
  ]
}
