import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import type { ApiService } from '../../src/processes/api.ts'
import { ApiClient } from '../support/api-client.ts'
import { killChildren } from '../support/child.ts'
import { quiet } from '../support/log.ts'
import { startApi, startRoleProcess } from '../support/start-role.ts'
import { openTestDatabase, testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'

/** Far below the 10 s after which the server disconnects a client that sends nothing. */
const AT_ONCE_MS = 5_000

type TestDatabase = Awaited<ReturnType<typeof openTestDatabase>>

describe('an API that stops', () => {
  let database: TestDatabase
  let service: ApiService
  let api: ApiClient
  let stopped: Promise<void> | undefined

  before(async () => {
    database = await openTestDatabase()
  })
  after(() => database.close())
  afterEach(killChildren)

  beforeEach(async () => {
    service = await startApi(testConfig, database.url, quiet)
    api = new ApiClient(service.url)
    stopped = undefined
  })
  afterEach(() => stop(1_000))

  async function stop(budgetMs: number): Promise<void> {
    stopped ??= service.stop(budgetMs)
    await stopped
  }

  async function open(sent = ''): Promise<Socket> {
    const { hostname, port } = new URL(service.url)
    const socket = connect(Number(port), hostname)
    await new Promise<void>((done, fail) => socket.once('connect', done).once('error', fail))
    socket.on('error', () => undefined)
    if (sent) socket.write(sent)
    return socket
  }

  const isListening = async () =>
    await open().then(
      socket => {
        socket.destroy()
        return true
      },
      () => false,
    )

  async function stopMs(): Promise<number> {
    const began = performance.now()
    await stop(60_000)
    return performance.now() - began
  }

  const connections: Record<string, string> = {
    'has sent nothing': '',
    'has sent half a header': 'GET /healthz HTTP/1.1\r\nHost: loc',
  }
  for (const [name, sent] of Object.entries(connections)) {
    it(`closes a connection that ${name} at once`, async () => {
      const socket = await open(sent)
      await api.call('GET', '/healthz')
      expect(await stopMs()).to.be.below(AT_ONCE_MS)
      await until('the connection is closed', () => socket.closed || socket.destroyed)
    })
  }

  it('closes a connection that is idle after a request at once', async () => {
    const socket = await open('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await new Promise(done => socket.once('data', done))
    expect(await stopMs()).to.be.below(AT_ONCE_MS)
  })

  async function placeWhileLocked(): Promise<{ answer: Promise<string>; unlock: () => Promise<void> }> {
    const { restaurant_id } = await api.addRestaurant()
    const { menu_item_id } = await api.addItem(restaurant_id, 5)
    const gate = await database.database.beginTransaction()
    await gate.db.query('lock table orders in exclusive mode')
    const body = JSON.stringify({ restaurant_id, items: [{ menu_item_id, quantity: 1 }] })
    const socket = await open(
      `POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    await until('the order waits for the lock', async () => {
      const waiting = await database.database.query(
        `select from pg_locks where not granted and relation = 'orders'::regclass`,
      )
      return waiting.length > 0
    })
    return { answer: text(socket), unlock: () => gate.rollback() }
  }

  it('finishes an order in progress, answers it with Connection: close, and closes the connection', async () => {
    const { answer, unlock } = await placeWhileLocked()
    const stopping = stop(60_000)
    await unlock()
    const began = performance.now()
    expect(await answer)
      .to.match(/^HTTP\/1\.1 202 /)
      .and.match(/^connection: close\r$/im)
    await stopping
    expect(performance.now() - began).to.be.below(AT_ONCE_MS)
  })

  it('stops within its budget although an order waits for a lock', async () => {
    const { answer, unlock } = await placeWhileLocked()
    const began = performance.now()
    await stop(500)
    expect(performance.now() - began).to.be.below(2_500)
    expect(await answer).not.to.match(/^HTTP\/1\.1 202 /)
    await unlock()
  })

  it('is not ready while it drains, and still accepts connections and answers requests', async () => {
    service.drain()
    const { status, body } = await api.call('GET', '/readyz')
    expect(status).to.equal(503)
    expect(body).to.have.nested.property('checks.drain', 'this process is draining before it stops')
    const socket = await open('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
    expect(await text(socket))
      .to.match(/^HTTP\/1\.1 200 /)
      .and.match(/^connection: close\r$/im)
    await api.addRestaurant()
  })

  it('keeps serving for DRAIN_DELAY_MS after SIGTERM while it is not ready', async () => {
    const child = startRoleProcess('api', database.url, { DRAIN_DELAY_MS: '600000' })
    const [, url = ''] = await child.untilOutput(/"url":"(http:[^"]+)"/)
    const draining = new ApiClient(url)
    await child.untilOutput(/api is ready/)
    expect((await draining.call('GET', '/readyz')).status).to.equal(200)
    child.signal('SIGTERM')
    await until('it is not ready', async () => (await draining.call('GET', '/readyz')).status === 503)
    await draining.addRestaurant()
  })

  it('exits with 0 after DRAIN_DELAY_MS', async () => {
    const child = startRoleProcess('api', database.url, { DRAIN_DELAY_MS: '300' })
    await child.untilOutput(/api is ready/)
    child.signal('SIGTERM')
    expect(await child.ended, child.errors()).to.equal(0)
  })

  it('refuses connections once it has drained', async () => {
    expect(await isListening()).to.equal(true)
    await stop(1_000)
    expect(await until('connections are refused', async () => !(await isListening()))).to.equal(true)
  })

  it('ends event streams', async () => {
    const { restaurant_id } = await api.addRestaurant()
    const socket = await open(
      `GET /api/v1/restaurants/${restaurant_id}/stream HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    )
    await new Promise(done => socket.once('data', done))
    const ended = text(socket)
    expect(await stopMs()).to.be.below(AT_ONCE_MS)
    await ended
  })
})
