import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { ServerClock } from '../../src/pages/browser/clock.ts'
import { type Connection, Follower, type StreamEvent } from '../../src/pages/browser/follow.ts'
import { Proxy } from '../faults/proxy.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { until } from '../support/until.ts'

/** Follows a stream as the board does, and records what it learns. */
class Recorder {
  readonly events: StreamEvent[] = []
  readonly states: Connection[] = []
  readonly follower: Follower

  constructor(url: string, silenceMs?: number) {
    this.follower = new Follower({
      url,
      clock: new ServerClock(),
      onEvents: events => this.events.push(...events),
      onConnection: connection => this.states.push(connection),
      ...(silenceMs === undefined ? {} : { silenceMs }),
    })
    this.follower.start()
  }

  get state(): string | undefined {
    return this.states.at(-1)?.state
  }

  async untilState(state: Connection['state']): Promise<Connection | undefined> {
    await until(`the connection is ${state}`, async () => this.state === state)
    return this.states.at(-1)
  }

  /** Ids of the orders of events of a type, in the order of their arrival. */
  ordersOf(type: string): string[] {
    return this.events
      .filter(event => event.type === type)
      .map(({ data }) => (data as { data: { order_id: string } }).data.order_id)
  }
}

describe('following a restaurant', () => {
  let system: TestSystem
  let proxy: Proxy
  let restaurant_id: string
  let menu_item_id: string
  let recorder: Recorder

  before(async () => {
    system = await startSystem()
    proxy = await Proxy.listen(Number(new URL(system.api.baseUrl).port))
    ;({ restaurant_id } = await system.api.addRestaurant())
    ;({ menu_item_id } = await system.api.addItem(restaurant_id, 1_000))
  })
  after(async () => {
    await proxy.close()
    await system.stop()
  })
  afterEach(() => recorder.follower.stop())

  const follow = (silenceMs?: number) =>
    new Recorder(`http://127.0.0.1:${proxy.port}/api/v1/restaurants/${restaurant_id}/stream`, silenceMs)

  async function place(): Promise<string> {
    return (await system.api.place(restaurant_id, [menu_item_id, 1])).order_id
  }

  it('begins with a snapshot and gets each event once, however often the line is cut', async () => {
    recorder = follow()
    await recorder.untilState('live')
    expect(recorder.events.map(({ type, isComplete }) => ({ type, isComplete }))).to.deep.equal([
      { type: 'snapshot', isComplete: true },
    ])
    const placed: string[] = []
    for (let round = 0; round < 3; round++) {
      proxy.cut()
      placed.push(await place(), await place())
      await recorder.untilState('lost')
      await recorder.untilState('live')
    }
    await until(
      'every order is prepared',
      async () => recorder.ordersOf('order.status.preparing.v1').length >= 6,
    )
    expect(recorder.ordersOf('order.placed.v1').toSorted()).to.deep.equal(placed.toSorted())
    expect(recorder.ordersOf('order.status.preparing.v1').toSorted()).to.deep.equal(placed.toSorted())
    expect(recorder.events.filter(({ type }) => type === 'snapshot')).to.have.lengthOf(1)
  })

  it('finds that a line is dead although it is open, and catches up once it is well', async () => {
    recorder = follow(1_500)
    await recorder.untilState('live')
    proxy.freeze()
    const order = await place()
    await recorder.untilState('lost')
    expect(recorder.ordersOf('order.placed.v1')).to.deep.equal([])
    proxy.thaw()
    await until('the order arrives', async () =>
      recorder.ordersOf('order.status.preparing.v1').includes(order),
    )
    expect(recorder.ordersOf('order.placed.v1')).to.deep.equal([order])
    expect(recorder.events.filter(({ type }) => type === 'snapshot')).to.have.lengthOf(1)
  })

  it('rests while the page is in the background, and gets afterwards what it has missed', async () => {
    recorder = follow()
    await recorder.untilState('live')
    recorder.follower.rest()
    await recorder.untilState('resting')
    const order = await place()
    recorder.follower.wake()
    expect(recorder.state).to.equal('resting')
    recorder.follower.resume()
    await until('the order arrives', async () => recorder.ordersOf('order.placed.v1').includes(order))
  })
})

describe('following a server that does not stream', () => {
  let server: Server
  let recorder: Recorder
  let requests: { lastEventId: string | undefined }[] = []
  let answer: RequestListener

  before(async () => {
    server = createServer((request, response) => {
      requests.push({ lastEventId: request.headers['last-event-id'] as string | undefined })
      answer(request, response)
    })
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  })
  after(() => server.close())
  beforeEach(() => (requests = []))
  afterEach(() => {
    recorder.follower.stop()
    server.closeAllConnections()
  })

  const follow = () => new Recorder(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)

  const problem =
    (status: number, fields: object = {}, headers: Record<string, string> = {}): RequestListener =>
    (_, response) => {
      response.writeHead(status, { 'content-type': 'application/problem+json', ...headers })
      response.end(JSON.stringify({ detail: `It is ${status}`, ...fields }))
    }

  /** Streams one event and stays open. */
  const stream: RequestListener = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('event: snapshot\nid: one\ndata: {}\n\n: caught up\n\n')
  }

  it('goes on asking while the answers are errors of any kind, and is live once there is a stream', async () => {
    const answers = [
      problem(500),
      problem(503, {}, { 'retry-after': '1' }),
      ((_, response) => response.writeHead(502).end('<html>Bad gateway</html>')) satisfies RequestListener,
      ((_, response) =>
        response.writeHead(200, { 'content-type': 'text/html' }).end('Log in')) satisfies RequestListener,
      (request => request.socket.destroy()) satisfies RequestListener,
    ]
    answer = (request, response) => (answers.shift() ?? stream)(request, response)
    recorder = follow()
    await recorder.untilState('live')
    const problems = recorder.states.map(state =>
      state.state === 'lost' ? (state.problem ?? '') : state.state,
    )
    expect(problems.slice(0, 3)).to.deep.equal(['connecting', 'It is 500.', 'It is 503.'])
    expect(problems[3]).to.match(/HTTP status 502 and no JSON/)
    expect(problems[4]).to.match(/HTTP status 200 and no JSON/)
    expect(problems.slice(5)).to.deep.equal(['', 'live'])
  })

  it('says what the server refuses, and that there is no session', async () => {
    answer = problem(404)
    recorder = follow()
    expect(await recorder.untilState('refused')).to.deep.equal({ state: 'refused', problem: 'It is 404.' })
    answer = problem(401)
    recorder.follower.wake()
    await recorder.untilState('signed-out')
    answer = stream
    recorder.follower.wake()
    await recorder.untilState('live')
  })

  it('begins again without its resume point when the server no longer accepts it', async () => {
    answer = stream
    recorder = follow()
    await recorder.untilState('live')
    answer = (request, response) => {
      const isResumed = request.headers['last-event-id'] !== undefined
      ;(isResumed ? problem(400, { code: 'resume-point-invalid' }) : stream)(request, response)
    }
    server.closeAllConnections()
    await recorder.untilState('lost')
    await recorder.untilState('live')
    expect(requests.map(({ lastEventId }) => lastEventId)).to.deep.equal([undefined, 'one', undefined])
  })

  it('is live once the server has sent what was missed, however many pieces that takes', async () => {
    let send: (text: string) => unknown = () => undefined
    answer = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      send = text => response.write(text)
      send('retry: 1000\n\n')
    }
    recorder = follow()
    await until('the stream is open', () => requests.length === 1)
    for (const [index, id] of ['one', 'two'].entries()) {
      const time = new Date().toISOString()
      send(`event: order.placed.v1\nid: ${id}\ndata: ${JSON.stringify({ time, data: {} })}\n\n`)
      await until('the event has come', () => recorder.events.length === index + 1)
      expect(recorder.state).to.equal('connecting')
    }
    send(': caught up\n\n')
    await recorder.untilState('live')
  })
})
