import { expect } from 'chai'
import { createApiKey } from '../../src/http/auth/api-keys.ts'
import { parseConfig } from '../../src/platform/config.ts'
import type { Service } from '../../src/processes/service.ts'
import { ApiClient } from '../support/api-client.ts'
import { type LogLine, quiet, recordingLog } from '../support/log.ts'
import { startDispatcher, startWorker } from '../support/start-role.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { until } from '../support/until.ts'

describe('the status of a role', () => {
  let system: TestSystem
  const services: Service[] = []

  before(async () => {
    system = await startSystem(['api'])
  })
  after(async () => {
    for (const service of services) await service.stop(10_000)
    await system.stop()
  })

  const config = parseConfig({ STATUS_PORT: '0' })

  async function start(role: typeof startWorker): Promise<{ client: ApiClient; service: Service }> {
    const { log, lines } = recordingLog()
    const service = await role(config, system.url, log)
    services.push(service)
    return { client: new ApiClient(urlOf(lines)), service }
  }
  const urlOf = (lines: LogLine[]) =>
    String(lines.find(({ msg }) => msg === 'the status server is listening')?.['url'])
  const ready = async (client: ApiClient) => (await client.call('GET', '/readyz')).body
  const metrics = async (client: ApiClient) =>
    (await client.call<{ text: string }>('GET', '/metrics')).body.text

  it('is served on STATUS_PORT, and not without that variable', async () => {
    const { log, lines } = recordingLog()
    services.push(await startDispatcher(parseConfig({}), system.url, log))
    expect(urlOf(lines)).to.equal('undefined')
    for (const role of [startDispatcher, startWorker]) {
      const { client } = await start(role)
      expect((await client.call('GET', '/healthz')).status).to.equal(200)
      expect(await ready(client)).to.deep.equal({
        status: 'ready',
        checks: {
          drain: 'ok',
          database: 'ok',
          migrations: 'ok',
          queue_schema: 'ok',
          dispatcher: 'ok',
          clock: 'ok',
        },
      })
    }
  })

  it('shows unauthenticated clients only the health, and a key with the scope ops the rest', async () => {
    const { log, lines } = recordingLog()
    const keyed = parseConfig({ STATUS_PORT: '0', AUTH_MODE: 'api-key' })
    services.push(await startWorker(keyed, system.url, log))
    const client = new ApiClient(urlOf(lines))
    const status = async (path: string, headers: Record<string, string> = {}) =>
      (await client.call('GET', path, undefined, headers)).status
    const keyFor = async (scope: 'ops' | 'orders:read') => {
      const { key } = await createApiKey(system.database, { name: scope, scopes: [scope] })
      return { authorization: `Bearer ${key}` }
    }
    expect([await status('/healthz'), await status('/readyz'), await status('/metrics')]).to.deep.equal([
      200, 200, 401,
    ])
    expect(await status('/metrics', { authorization: 'Bearer comanda_made-up' })).to.equal(401)
    expect(await status('/metrics', await keyFor('orders:read'))).to.equal(403)
    expect(await status('/metrics', await keyFor('ops'))).to.equal(200)
  })

  it('names STATUS_PORT if the port is taken', async () => {
    const taken = new URL(system.api.baseUrl).port
    const error = await startDispatcher(parseConfig({ STATUS_PORT: taken }), system.url, quiet).then(
      service => void services.push(service),
      (error: Error) => error,
    )
    expect(error?.message).to.match(/^STATUS_PORT: \d+ on 127\.0\.0\.1 is taken/)
  })

  it('is not ready while the queue schema is outdated', async () => {
    const { api, database } = system
    await database.execute('update pgboss.version set version = version - 1')
    const behind = await api.call('GET', '/readyz')
    await database.execute('update pgboss.version set version = version + 1')
    expect(behind.status).to.equal(503)
    expect(behind.body['detail']).to.match(/^queue_schema: is at \d+, not \d+: run `npm run migrate`$/)
    expect((await api.call('GET', '/readyz')).status).to.equal(200)
  })

  it('reports missing dispatcher heartbeats, but stays ready', async () => {
    const { api, database } = system
    expect(await ready(api)).to.include({ status: 'ready' })
    await database.execute(`alter table process_heartbeats rename to held_heartbeats`)
    await database.execute(
      `create view process_heartbeats as select process_id, role, stopped_at, beat_at - interval '1 minute' as beat_at from held_heartbeats`,
    )
    await database.execute('grant select on process_heartbeats to comanda_api')
    const silent = await api.call<{ status: string; checks: Record<string, string> }>('GET', '/readyz')
    await database.execute('drop view process_heartbeats')
    await database.execute(`alter table held_heartbeats rename to process_heartbeats`)
    expect(silent.status).to.equal(200)
    expect(silent.body.status).to.equal('degraded')
    expect(silent.body.checks['dispatcher']).to.match(
      /^sent its last heartbeat 6\d s ago: orders are accepted and wait$/,
    )
  })

  it('measures every step of an order, without ids in labels', async () => {
    const { api } = system
    const { restaurant_id } = await api.addRestaurant()
    const { menu_item_id } = await api.addItem(restaurant_id, 1)
    const { order_id } = await api.place(restaurant_id, [menu_item_id, 1])
    await api.untilStatus(order_id, 'PREPARING')
    const short = await api.place(restaurant_id, [menu_item_id, 1])
    await api.untilStatus(short.order_id, 'CANCELLED')
    const text = await until('the database metrics are up to date', async () => {
      const text = await metrics(api)
      return /comanda_queue_wait_p95_seconds\{queue="inventory\.deduct"\} \d/.test(text) && text
    })
    for (const sample of [
      /http_server_request_duration_seconds_bucket\{[^}]*http_route="\/api\/v1\/orders"[^}]*le="0\.2"\} \d+/,
      /comanda_order_transitions_total\{status="PLACED"\} \d+/,
      /comanda_order_transitions_total\{status="PREPARING"\} \d+/,
      /comanda_stock_outs_total \d+/,
      /comanda_outbox_dispatched_events_total\{by="dispatcher"\} \d+/,
      /comanda_outbox_dispatched_events_total\{by="worker"\} \d+/,
      /comanda_outbox_pending_events \d+/,
      /comanda_outbox_lag_seconds \d/,
      /comanda_queue_jobs\{queue="inventory\.deduct",state="ready"\} \d+/,
      /comanda_queue_wait_p95_seconds\{queue="inventory\.deduct"\} \d/,
      /comanda_dead_letters_open\{queue="inventory\.deduct"\} 0/,
      /comanda_stock_differing_items 0/,
      /comanda_db_pool_connections\{role="api",state="used"\} \d+/,
      /comanda_db_pool_max_connections\{role="worker"\} 9/,
      /comanda_db_pool_max_connections\{role="worker-claims"\} 3/,
      /comanda_webhooks\{status="ACTIVE"\} 0/,
      /comanda_webhooks\{status="DISABLED",reason="FAILING"\} 0/,
      /comanda_webhooks_disabled_last_day 0/,
      /comanda_webhook_oldest_pending_seconds 0/,
      /comanda_streams_open\{audience="callers"\} 0/,
      /comanda_streams_max_open\{audience="callers"\} 2500/,
      /comanda_database_up 1/,
      /comanda_clock_skew_seconds -?0/,
      /nodejs_eventloop_delay_p99_seconds \d/,
      /messaging_process_duration_bucket\{/,
    ])
      expect(text).to.match(sample)
    expect(text).not.to.match(/[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-/)
    // Prometheus requires snake case and a help text for each metric.
    const names = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)]
    for (const [, name = '', type] of names) {
      expect(name).to.match(/^[a-z][a-z0-9_]*$/)
      if (type === 'counter') expect(name).to.match(/_total$/)
      expect(text).to.contain(`# HELP ${name} `)
    }
  })
})
