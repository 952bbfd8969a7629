import { expect } from 'chai'
import { Database } from '../../src/db/database.ts'
import { migrateUp } from '../../src/db/migrations.ts'
import { unavailableReason } from '../../src/db/unavailable-reason.ts'
import { DatabaseUnavailable } from '../../src/platform/errors.ts'
import * as api from '../../src/processes/api.ts'
import * as dispatcher from '../../src/processes/dispatcher.ts'
import type { Service } from '../../src/processes/service.ts'
import * as worker from '../../src/processes/worker.ts'
import { Proxy } from '../faults/proxy.ts'
import { ApiClient } from '../support/api-client.ts'
import { expectInvariants } from '../support/invariants.ts'
import { recordingLog } from '../support/log.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { cutReceiver, startStandby } from '../support/standby.ts'
import { StreamClient } from '../support/stream-client.ts'
import { testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'

const SETTINGS = { fsync: 'off', max_connections: '100' }
const REASON = 'it is a standby, not the primary (25006)'

/** A primary and a standby behind one address, which can lead to either. */
describe('an address that leads to a standby', () => {
  let primary: PostgresServer
  let standby: PostgresServer
  let proxy: Proxy
  let url: string
  let client: ApiClient
  const { log, lines } = recordingLog()
  const services: Service[] = []

  before(async () => {
    primary = await PostgresServer.start(SETTINGS)
    await primary.migrate()
    standby = await startStandby(primary, SETTINGS)
    proxy = await Proxy.listen(primary.port)
    const address = new URL(primary.url)
    address.port = String(proxy.port)
    url = address.href
    const service = await api.startApi(testConfig, url, log)
    services.push(service)
    services.push(await worker.startWorker(testConfig, url, log))
    services.push(await dispatcher.startDispatcher(testConfig, url, log))
    client = new ApiClient(service.url)
  })
  after(async () => {
    for (const service of services.toReversed()) await service.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    await proxy.close()
    await standby.destroy()
    await primary.destroy()
  })

  const pool = (at: string) => ({ url: at, applicationName: 'test', poolCount: 1, timeoutMs: 1_000, log })

  async function leadTo(server: PostgresServer): Promise<void> {
    proxy.retarget(server.port)
    proxy.cut()
  }

  it('is refused by a new pool, by a migration and by a new connection of an old pool', async () => {
    const database = await Database.open(pool(url))
    await leadTo(standby)
    for (const connect of [
      () => Database.open(pool(url)),
      () => migrateUp(url),
      () => database.query('select 1'),
      () => database.transaction(tx => tx.query('select 1')),
    ]) {
      const outcome = await connect().catch((error: unknown) => error)
      expect(outcome, String(connect)).to.be.instanceOf(DatabaseUnavailable)
      expect(unavailableReason(outcome)).to.equal(REASON)
    }
    await leadTo(primary)
    expect(await database.query('select 1 as one')).to.deep.equal([{ one: 1 }])
    await database.close()
  })

  it('is refused by a listener, which connects again when the address leads to the primary', async () => {
    const database = await Database.open(pool(url))
    await leadTo(standby)
    let connectCount = 0
    const received: string[] = []
    const onNotification = (payload: string) => void received.push(payload)
    const listener = await database.listen('test', onNotification, () => connectCount++)
    const refused = lines.find(({ msg }) => msg === 'listener not connected; trying again')
    expect(refused?.['error']).to.equal(REASON)
    for (const [index, server] of [primary, primary].entries()) {
      await leadTo(server)
      await until('the listener is connected', () => connectCount === index + 1)
      await database.execute(`select pg_notify('test', $1)`, [String(index)])
      await until('the notification arrives', () => received.includes(String(index)))
    }
    await listener.close()
    await database.close()
  })

  it('makes every API call fail with 503, names the standby in /readyz, and costs no job an attempt', async () => {
    const { restaurant_id } = await client.addRestaurant()
    const { menu_item_id } = await client.addItem(restaurant_id, 100)
    const order = { restaurant_id, items: [{ menu_item_id, quantity: 1 }] }
    await client.call('POST', '/api/v1/orders', order)
    await leadTo(standby)
    const notReady = await until('the process is not ready', async () => {
      const reply = await client.call('GET', '/readyz')
      return reply.status === 503 && reply
    })
    expect(notReady.body['detail']).to.contain(REASON)
    for (let call = 0; call < 3; call++) {
      const reply = await client.call('POST', '/api/v1/orders', order)
      expect(reply.status).to.equal(503)
      expect(Number(reply.headers.get('retry-after'))).to.be.greaterThan(0)
    }
    expect((await client.call('GET', `/api/v1/inventory/${menu_item_id}`)).status).to.equal(503)
    expect((await client.call('GET', '/healthz')).status).to.equal(200)
    await leadTo(primary)
    await until(
      'the process is ready again',
      async () => (await client.call('GET', '/readyz')).status === 200,
    )
    const placed = await until('an order is accepted', async () => {
      const reply = await client.call('POST', '/api/v1/orders', order)
      return reply.status === 202 && reply
    })
    await client.untilStatus(String(placed.body['order_id']), 'PREPARING')
    expect(await retriedJobs()).to.deep.equal([])
  })

  it('ends streams after a promotion that lost commits, and resumes them with a snapshot', async () => {
    const { restaurant_id } = await client.addRestaurant()
    const { menu_item_id } = await client.addItem(restaurant_id, 100)
    // Else a resume point of a new database is too old in any case.
    await primary.query(`update retention set kept_since = '2000-01-01'`)
    const path = `${client.baseUrl}/api/v1/restaurants/${restaurant_id}/stream`
    const stream = await StreamClient.open(path)
    await stream.untilEvents(1)
    const place = async () => await client.place(restaurant_id, [menu_item_id, 1])
    const kept = await place()
    await client.untilStatus(kept.order_id, 'PREPARING')
    const orderPath = `${client.baseUrl}/api/v1/orders/${kept.order_id}/stream`
    const order = await StreamClient.open(orderPath)
    const [snapshot] = await order.untilEvents(1)
    await until('the standby has the order', async () => {
      const rows = await standby.query(
        `select from orders where order_id = '${kept.order_id}' and status = 'PREPARING'`,
      )
      return rows.length > 0
    })

    await cutReceiver(standby)
    const lost = await place()
    await client.cancel(kept.order_id)
    await until('the streams have the lost events', () =>
      [stream, order].every(({ news }) => news.some(({ event }) => event === 'order.cancelled.v1')),
    )
    const before = await nextXid(primary)
    await standby.promote()
    // No process uses transaction ids of the new primary yet.
    expect(await nextXid(standby)).to.be.lessThan(before)
    await leadTo(standby)
    await until('the stream has ended', () => !stream.isOpen)
    // Its event has the sequence and the transaction number of a lost one.
    await until('the order can be changed', () =>
      client.setStatus(kept.order_id, 'OUT_FOR_DELIVERY').catch(() => undefined),
    )
    await until('all lost numbers are used again', async () => (await nextXid(standby)) > before)

    const resumed = await StreamClient.open(path, { 'last-event-id': stream.lastId ?? '' })
    const [fresh] = await resumed.untilEvents(1)
    expect(fresh?.event).to.equal('snapshot')
    expect(JSON.stringify(fresh?.data)).to.contain('OUT_FOR_DELIVERY').and.not.contain(lost.order_id)
    const ofLost = await StreamClient.open(orderPath, { 'last-event-id': order.lastId ?? '' })
    expect((await ofLost.untilEvents(1))[0]?.event).to.equal('snapshot')
    const ofKept = await StreamClient.open(orderPath, { 'last-event-id': snapshot?.id ?? '' })
    expect((await ofKept.untilEvents(1))[0]?.event).to.equal('order.status.out_for_delivery.v1')
    await client.setStatus(kept.order_id, 'DELIVERED')
    for (const each of [resumed, ofLost, ofKept])
      expect((await each.untilEvents(2)).at(-1)?.event).to.equal('order.status.delivered.v1')
    resumed.close()
    const database = await Database.open(pool(url))
    await expectInvariants(database)
    await database.close()
  })

  async function nextXid(server: PostgresServer): Promise<number> {
    const [row] = await server.query<{ xid: string }>('select pg_current_xact_id()::text as xid')
    return Number(row?.xid)
  }

  async function retriedJobs(): Promise<unknown[]> {
    return await primary.query(
      `select name, retry_count from pgboss.job where retry_count > 0 and name not like 'maintenance.%'`,
    )
  }
})
