import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from 'pg'
import { pino } from 'pino'
import { parseConfig } from '../../src/platform/config.ts'
import { orderCode } from '../../src/platform/order-code.ts'
import { startApi } from '../../src/processes/api.ts'

const STOP_TIMEOUT_MS = 5_000
const POLL_MS = 200

/** A request of the console: a name for the report, the path, and the body of a POST. */
interface Screen {
  name: string
  path: string
  body?: object
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
  const config = parseConfig({ PORT: '0', OPERATIONS_DATABASE_URL: url })
  const api = await startApi(config, url, pino({ level: 'silent' }))
  try {
    const timed = []
    for (const screen of screens) {
      const times: number[] = []
      for (let round = 0; round < rounds; round++) times.push(await timeOf(api.url, screen))
      timed.push({ ...screen, ms: times.sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? Number.NaN })
    }
    return timed
  } finally {
    await api.stop(STOP_TIMEOUT_MS)
  }
}

/**
 * Starts an action on as many dead letters as an action can have, over HTTP, and waits until it has
 * ended.
 * @returns seconds until the answer and until the end, and the growth of the memory in MB
 */
export async function timeAction(
  url: string,
): Promise<{ startSeconds: number; endSeconds: number; grownMb: number; result: string }> {
  const config = parseConfig({ PORT: '0', OPERATIONS_DATABASE_URL: url })
  const api = await startApi(config, url, pino({ level: 'silent' }))
  try {
    const path = `${api.url}/api/v1/ops/actions`
    const before = process.memoryUsage.rss()
    const started = performance.now()
    const seconds = () => (performance.now() - started) / 1_000
    const body = { kind: 'dead-letters.redrive', filter: {}, reason: 'the bench', actor: 'bench' }
    const { action_id } = await call<{ action_id: string }>(path, body)
    const startSeconds = seconds()
    let mostBytes = before
    for (;;) {
      await delay(POLL_MS)
      mostBytes = Math.max(mostBytes, process.memoryUsage.rss())
      const { result } = await call<{ result: string | null }>(`${path}/${action_id}`)
      if (result !== null)
        return { startSeconds, endSeconds: seconds(), grownMb: (mostBytes - before) / 2 ** 20, result }
    }
  } finally {
    await api.stop(STOP_TIMEOUT_MS)
  }
}

async function call<Reply>(url: string, body?: object): Promise<Reply> {
  const response = await request(url, body)
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as Reply
}

async function request(url: string, body?: object): Promise<Response> {
  return body === undefined
    ? await fetch(url)
    : await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
}

async function timeOf(baseUrl: string, { path, body: sent }: Screen): Promise<number> {
  const url = `${baseUrl}${path}`
  const started = performance.now()
  const response = await request(url, sent)
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
  const preview = (name: string, kind: string, filter: object): Screen => ({
    name: `preview, ${name}`,
    path: '/api/v1/ops/action-previews',
    body: { kind, filter },
  })
  const webhook = await one('select webhook_id as value from webhook_deliveries limit 1')
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
    ops('actions', 'actions'),
    preview('all dead letters', 'dead-letters.redrive', {}),
    preview('dead letters of a queue', 'dead-letters.discard', { queue }),
    preview('dead letters of a type', 'dead-letters.redrive', { type: 'order.placed.v1' }),
    preview('dead letters with an error', 'dead-letters.redrive', { error: 'broken in step 7' }),
    preview('dead letters with an error of none', 'dead-letters.redrive', { error: 'nobody has this' }),
    preview('dead letters since a time', 'dead-letters.redrive', { since: middle }),
    preview('quarantined events', 'quarantine.release', {}),
    preview('jobs to be retried', 'jobs.retry', { queue }),
    preview('jobs with an error of none', 'jobs.retry', { queue, error: 'nobody has this' }),
    preview('deliveries of a webhook', 'webhooks.redeliver', {
      webhook_id: webhook,
      since: '2026-01-01T00:00:00Z',
    }),
  ]
}
