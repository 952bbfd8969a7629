import { expect } from 'chai'
import pg from 'pg'
import type { StatsReply } from '../../src/analytics/stats-contract.ts'
import { createApiKey } from '../../src/http/auth/api-keys.ts'
import { prune } from '../../src/ops/maintenance/prune.ts'
import { reconcileStock } from '../../src/ops/maintenance/reconcile-stock.ts'
import { watchDeadLetters } from '../../src/ops/maintenance/watch-dead-letters.ts'
import { scopes } from '../../src/platform/caller.ts'
import type { Service } from '../../src/processes/service.ts'
import { ApiClient } from '../support/api-client.ts'
import { expectInvariants } from '../support/invariants.ts'
import { quiet, recordingLog } from '../support/log.ts'
import { asRole, type Role, roles } from '../support/role-logins.ts'
import { startApi, startDispatcher, startWorker } from '../support/start-role.ts'
import { openPool, openTestDatabase, testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'
import { Receiver } from '../webhooks/receivers.ts'

const INSUFFICIENT_PRIVILEGE = '42501'

describe('a role with a login of its own', () => {
  const services: Service[] = []
  let opened: Awaited<ReturnType<typeof openTestDatabase>>

  before(async () => {
    opened = await openTestDatabase()
  })
  after(async () => {
    for (const service of services.toReversed()) await service.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    await opened.close()
  })

  it('may run every statement that its work needs', async () => {
    const { log, lines } = recordingLog()
    const config = { ...testConfig, AUTH_MODE: 'api-key', WEBHOOK_ALLOW_PRIVATE: true } as const
    const { key } = await createApiKey(opened.database, { name: 'test', scopes })
    services.push(await startWorker({ ...config, STATUS_PORT: 0 }, opened.url, log))
    services.push(await startDispatcher({ ...config, STATUS_PORT: 0 }, opened.url, log))
    const api = await startApi(config, opened.url, log)
    services.push(api)
    const client = new ApiClient(api.url, key)

    const receiver = await Receiver.start()
    const hook = await client.call('POST', '/api/v1/webhooks', { url: receiver.url })
    const webhook = `/api/v1/webhooks/${String(hook.body['webhook_id'])}`
    const { restaurant_id } = await client.addRestaurant()
    const { menu_item_id } = await client.addItem(restaurant_id, 3)
    const item = `/api/v1/inventory/${menu_item_id}`
    const { order_id } = await client.place(restaurant_id, [menu_item_id, 2])
    await client.untilStatus(order_id, 'PREPARING')
    await client.cancel(order_id)
    await client.untilStock(menu_item_id, 3)
    const short = await client.place(restaurant_id, [menu_item_id, 4])
    await client.untilStatus(short.order_id, 'CANCELLED')
    const keyed = { 'idempotency-key': 'one' }
    const order = { restaurant_id, items: [{ menu_item_id, quantity: 1 }] }
    for (const [method, path, body, status] of [
      ['POST', '/api/v1/orders', order, 202],
      ['POST', `${item}/restock`, { quantity: 5, reason: 'delivery' }, 200],
      ['POST', `${item}/adjust`, { quantity: -1, reason_code: 'WASTE' }, 200],
      ['PATCH', item, { price: '7.00', name: 'Calzone', low_stock_threshold: 2, active: false }, 200],
      ['PATCH', `/api/v1/restaurants/${restaurant_id}`, { name: 'Osteria', active: false }, 200],
      ['GET', '/api/v1/orders', undefined, 200],
      ['GET', `/api/v1/orders/${order_id}/stream`, undefined, 200],
      ['GET', `/api/v1/restaurants/${restaurant_id}/stream`, undefined, 200],
      ['GET', `/api/v1/restaurants/${restaurant_id}/stats`, undefined, 200],
      ['GET', '/api/v1/restaurants', undefined, 200],
      ['GET', `/api/v1/restaurants/${restaurant_id}/menu`, undefined, 200],
      ['GET', '/readyz', undefined, 200],
      ['GET', '/api/v1/webhooks', undefined, 200],
    ] as const) {
      const own: Record<string, string> = method === 'GET' ? {} : { 'idempotency-key': `${path}-1` }
      const reply = await client.call(method, path, body, { ...keyed, ...own })
      expect(reply.status, `${method} ${path}: ${JSON.stringify(reply.body)}`).to.equal(status)
    }
    await client.call('POST', `${webhook}/test`)
    await until('all deliveries have arrived', () =>
      receiver.received.some(({ event }) => (event.type as string) === 'webhook.test'),
    )
    await until('all deliveries have arrived', () => receiver.typesOf(order_id).length === 4)
    await client.call('POST', `${webhook}/rotate-secret`)
    await client.call('PATCH', webhook, { status: 'DISABLED' })
    expect((await client.call('GET', `${webhook}/deliveries`)).status).to.equal(200)
    expect((await client.call('DELETE', webhook)).status).to.equal(204)
    await receiver.stop()
    const metrics = await client.call<{ text: string }>('GET', '/metrics')
    expect(metrics.body.text).to.match(/^comanda_database_up\S* 1\b/m)
    await client.untilStock(menu_item_id, 6)

    await until('the statistics are up to date', async () => {
      const { body } = await client.call<StatsReply>('GET', `/api/v1/restaurants/${restaurant_id}/stats`)
      return body.totals.orders === 3
    })
    await expectInvariants(opened.database)
    await opened.database.execute(
      `insert into outbox_events (event_id, restaurant_id, type, payload) values (uuidv7(), $1, 'unknown.v1', '{}')`,
      [restaurant_id],
    )
    const quarantined = 'select from outbox_events where quarantined_at is not null'
    await until(
      'the unroutable event is quarantined',
      async () => (await opened.database.query(quarantined)).length === 1,
    )

    const worker = await openPool(asRole('worker', opened.url))
    await prune(worker, quiet)
    expect((await reconcileStock(worker, log)).items).to.equal(1)
    expect((await watchDeadLetters(worker, log)).open).to.equal(0)
    await worker.close()

    for (const service of services.splice(0).toReversed()) await service.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    expect(lines.filter(line => /permission denied|must be owner/.test(JSON.stringify(line)))).to.deep.equal(
      [],
    )
  })

  const refused: Record<Role, string[]> = {
    api: [
      'delete from orders',
      'update orders set total_minor = 0',
      'delete from order_transitions',
      `update order_transitions set actor = 'nobody'`,
      'delete from stock_movements',
      'update stock_movements set delta = delta + 1',
      'update stock_checkpoints set ledger_qty = 0',
      'delete from menu_items',
      'update outbox_events set dispatched_at = clock_timestamp()',
      'delete from outbox_events',
      'select error from outbox_events',
      `select drop_partition('outbox_events_default')`,
      'select from processed_events',
      'update idempotency_keys set body = null',
      `insert into api_keys (key_id, name, hash, scopes) values (uuidv7(), 'x', sha256(''), '{ops}')`,
      'update api_keys set revoked_at = null',
      'update api_secrets set value = value',
      'select from pgboss.job',
      'delete from webhooks',
      'delete from webhook_deliveries',
      'insert into webhook_attempts default values',
      'delete from paused_queues',
      'insert into paused_queues default values',
      'update dead_letters set fate = fate',
      'insert into ops_audit default values',
      'create table x ()',
      'create role x',
    ],
    dispatcher: [
      'select from orders',
      'update orders set version = version',
      'select from menu_items',
      'update menu_items set available_qty = 0',
      'select from stock_movements',
      'update outbox_events set payload = payload',
      'delete from outbox_events',
      'insert into outbox_events default values',
      `select create_partition('outbox_events', now(), now() + interval '1 day')`,
      'update pgboss.job set data = null',
      'delete from pgboss.job',
      'select url from webhooks',
      'select secret from webhook_secrets',
      `update webhooks set url = 'https://example.com/'`,
      'update webhook_deliveries set webhook_id = event_id',
      'select from webhook_attempts',
      'select from idempotency_keys',
      'select from api_secrets',
      'create table x ()',
    ],
    worker: [
      'insert into orders default values',
      'delete from orders',
      'update orders set total_minor = 0',
      'update order_items set quantity = 1',
      'delete from stock_movements',
      'update stock_movements set delta = delta + 1',
      'update menu_items set price_minor = 0',
      'delete from dead_letters',
      'update outbox_events set payload = payload',
      'select from api_secrets',
      'update idempotency_keys set body = null',
      'insert into webhooks default values',
      `update webhooks set url = 'https://example.com/'`,
      'insert into webhook_secrets default values',
      'insert into ops_audit default values',
      'create table pgboss.x ()',
    ],
    operations: [
      'select from orders',
      'update orders set version = version',
      'select from menu_items',
      'select from stock_movements',
      'insert into outbox_events default values',
      'update outbox_events set payload = payload',
      'update outbox_events set dispatched_at = null',
      'delete from outbox_events',
      'insert into dead_letters default values',
      'update dead_letters set data = null',
      'delete from dead_letters',
      'select from processed_events',
      'delete from pgboss.job',
      'select from ops_audit',
      'update ops_audit set actor = null',
      'delete from ops_audit',
      'select url from webhooks',
      `update webhooks set url = 'https://example.com/'`,
      `update webhooks set status = 'DELETED'`,
      'select from webhook_secrets',
      'delete from webhook_deliveries',
      'select from api_keys',
      'select from api_secrets',
      'update idempotency_keys set body = null',
      'create table x ()',
    ],
  }
  for (const role of roles) {
    it(`denies the ${role} statements that its work does not need`, async () => {
      const client = new pg.Client({ connectionString: asRole(role, opened.url) })
      await client.connect()
      const outcomes: [sql: string, code: string][] = []
      for (const sql of refused[role]) {
        const outcome = await client.query(sql).then(
          () => 'done',
          (error: unknown) => String((error as { code?: string }).code),
        )
        outcomes.push([sql, outcome])
      }
      await client.end()
      expect(outcomes).to.deep.equal(refused[role].map(sql => [sql, INSUFFICIENT_PRIVILEGE]))
    })
  }
})
