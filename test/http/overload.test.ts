import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import { startSystem, type TestSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { expectProblem } from './expect-problem.ts'
import { send } from './send.ts'

/** More than can wait and be in flight. */
const ORDER_COUNT = 2_400
/** Orders that are pipelined on one connection. */
const PIPELINED_COUNT = 100
const PATH = '/api/v1/orders'

describe('an API with a full placement queue', () => {
  let system: TestSystem
  let letGo: () => Promise<void>
  let answers: Promise<string[]>

  before(async () => {
    system = await startSystem(['api'], undefined, {
      DATABASE_TIMEOUT_MS: 60_000,
      CORS_ORIGINS: ['https://till.example'],
    })
    const { restaurant_id } = await system.api.addRestaurant()
    const { menu_item_id } = await system.api.addItem(restaurant_id, ORDER_COUNT)
    const gate = await system.database.beginTransaction()
    await gate.db.query('lock table orders in exclusive mode')
    letGo = async () => await gate.rollback()
    const body = JSON.stringify({ restaurant_id, items: [{ menu_item_id, quantity: 1 }] })
    answers = Promise.all(
      Array.from({ length: ORDER_COUNT / PIPELINED_COUNT }, async () => await pipeline(body)),
    )
    await until('two statements wait', async () => {
      const waiting = await system.database.query(
        `select from pg_locks where not granted and relation = 'orders'::regclass`,
      )
      return waiting.length === 2
    })
  })
  after(async () => {
    await letGo()
    await system.stop()
  })

  /** @returns all responses as one text */
  async function pipeline(body: string): Promise<string> {
    const { hostname, port } = new URL(system.api.baseUrl)
    const socket = connect(Number(port), hostname)
    const request = (connection: string) =>
      `POST ${PATH} HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: ${connection}\r\n\r\n${body}`
    socket.write(request('keep-alive').repeat(PIPELINED_COUNT - 1) + request('close'))
    return await text(socket)
  }

  it('answers 503 before it has read the order', async () => {
    await until('the queue is full', async () => {
      const { hostname, port } = new URL(system.api.baseUrl)
      const socket = connect(Number(port), hostname)
      socket.write(
        `POST ${PATH} HTTP/1.1\r\nHost: ${hostname}\r\nX-Request-Id: mine\r\nContent-Type: application/json\r\nContent-Length: 200\r\n\r\n`,
      )
      const answer = await new Promise<string>(done => {
        socket.once('data', data => done(data.toString()))
        // A queue with capacity would wait for the body.
        socket.setTimeout(100, () => done(''))
      })
      socket.destroy()
      if (answer === '') return false
      expect(answer).to.match(/^HTTP\/1\.1 503 /)
      expect(answer).to.match(/\r\nRetry-After: 1\r\n/i)
      expect(answer).to.match(/\r\nX-Request-Id: mine\r\n/i)
      return true
    })
    const reply = await send(system.api.baseUrl, { method: 'POST', path: PATH, body: '{}' })
    expectProblem(reply, { code: 'overloaded' })
  })

  it('sends the CORS headers with the 503', async () => {
    const { status, headers } = await send(system.api.baseUrl, {
      method: 'POST',
      path: PATH,
      headers: { origin: 'https://till.example', 'content-type': 'application/json' },
      body: '{}',
    })
    expect(status).to.be.oneOf([422, 503])
    expect(headers['access-control-allow-origin']).to.equal('https://till.example')
  })

  it('serves all other operations meanwhile', async () => {
    const { status } = await system.api.call('GET', '/api/v1/restaurants')
    expect(status).to.equal(200)
  })

  it('has placed every order that it did not refuse, and accepts orders again', async () => {
    await letGo()
    const all = (await answers).join('')
    const count = (status: number) => all.split(`HTTP/1.1 ${status} `).length - 1
    expect(count(202) + count(503)).to.equal(ORDER_COUNT)
    expect(count(503)).to.be.above(0)
    const [placed] = await system.database.query<{ count: number }>(
      'select count(*)::integer as count from orders',
    )
    expect(placed?.count).to.equal(count(202))
    const { restaurant_id } = await system.api.addRestaurant()
    const { menu_item_id } = await system.api.addItem(restaurant_id, 1)
    const { status } = await system.api.call('POST', PATH, {
      restaurant_id,
      items: [{ menu_item_id, quantity: 1 }],
    })
    expect(status).to.equal(202)
  })
})
