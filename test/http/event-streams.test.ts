import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { expect } from 'chai'
import type { EventStream } from '../../src/http/route-reply.ts'
import { listen } from '../../src/http/server/listen.ts'
import { frameOf } from '../../src/http/sse/event-stream.ts'
import { EventStreams, type StreamLimits } from '../../src/http/sse/event-streams.ts'
import { ANYONE, type Caller, scopes } from '../../src/platform/caller.ts'
import { ExpectedError } from '../../src/platform/errors.ts'
import { quiet } from '../support/log.ts'
import { StreamClient } from '../support/stream-client.ts'
import { until } from '../support/until.ts'

const roomy: StreamLimits = { maxCount: 10, maxPerCallerCount: 2, heartbeatMs: 60_000, recheckMs: 60_000 }
const restaurantId = '019a0000-0000-7000-8000-000000000001'
const ada: Caller = {
  name: 'ada',
  id: 'key:ada',
  scopes: new Set(scopes),
  restaurants: new Set([restaurantId]),
}

describe('event streams', () => {
  let server: Server
  let url = ''
  let streams: EventStreams
  /** the caller at the start, and at a later check */
  let caller: Caller
  let recheck: () => Promise<Caller>
  let opened: EventStream[]
  let closed: number

  /** Opens a stream for each client. The body of a refusal holds the error. */
  async function serve(_: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await streams.open(
        response,
        caller,
        () => recheck(),
        async () => ({
          restaurantId,
          start: async stream => {
            opened.push(stream)
            stream.onClose(() => closed++)
            stream.send(frameOf('snapshot', '1', '{}'))
          },
        }),
      )
    } catch (error) {
      response.statusCode = 500
      response.end((error as ExpectedError).code)
    }
  }

  beforeEach(async () => {
    caller = ada
    recheck = async () => caller
    opened = []
    closed = 0
    server = createServer((request, response) => void serve(request, response))
    url = await listen(server, '127.0.0.1', 0, 'PORT')
  })
  afterEach(async () => {
    streams.drain()
    server.closeAllConnections()
    await new Promise(done => server.close(done))
  })

  function withLimits(limits: Partial<StreamLimits>): void {
    streams = new EventStreams({ ...roomy, ...limits }, quiet)
  }

  it('are refused beyond STREAM_COUNT and accepted again when one has ended', async () => {
    withLimits({ maxCount: 1 })
    const first = await StreamClient.open(url)
    expect(await StreamClient.open(url).catch(String)).to.contain('overloaded')
    first.close()
    await until('the first has gone', () => closed === 1)
    await (await StreamClient.open(url)).untilEvents(1)
  })

  it('are refused beyond STREAM_PER_CALLER_COUNT with authentication', async () => {
    withLimits({})
    for (let count = 0; count < 2; count++) await StreamClient.open(url)
    expect(await StreamClient.open(url).catch(String)).to.contain('too-many-streams')
    caller = { ...ada, id: 'key:grace' }
    await StreamClient.open(url)
    caller = ANYONE
    for (let count = 0; count < 3; count++) await StreamClient.open(url)
  })

  it('free their place when they cannot be opened', async () => {
    withLimits({ maxCount: 1 })
    const failing = streams.open({} as never, ada, recheck, () =>
      Promise.reject(new ExpectedError('order-not-found', 'There is none')),
    )
    expect(await failing.catch(String)).to.contain('There is none')
    await StreamClient.open(url)
  })

  it('send a comment after everything that they begin with', async () => {
    withLimits({})
    const client = await StreamClient.open(url)
    await until('the comment has come', () => client.comments === 1)
    expect(client.events).to.have.lengthOf(1)
  })

  it('send a heartbeat while idle, which may carry a newer resume point', async () => {
    withLimits({ heartbeatMs: 10 })
    const client = await StreamClient.open(url)
    await client.untilEvents(1)
    const [stream] = opened
    if (stream) stream.resumePoint = () => '7'
    await until('a heartbeat has come', () => client.comments > 1 && client.lastId === '7')
    expect(client.events).to.have.lengthOf(1)
  })

  it('disconnect only the client that does not read', async () => {
    withLimits({})
    const reading = await StreamClient.open(url)
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    socket.on('error', () => undefined)
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await until('both are open', () => opened.length === 2)
    const data = JSON.stringify('x'.repeat(100_000))
    let sent = 0
    await until('the one that does not read has been dropped', () => {
      for (const stream of opened) stream.send(frameOf('news', String(++sent), data))
      return closed > 0
    })
    expect(opened.map(({ isOpen }) => isOpen)).to.deep.equal([true, false])
    const before = reading.events.length
    opened[0]?.send(frameOf('news', 'last', '{}'))
    await until('the other reads on', () => reading.events.length > before && reading.lastId === 'last')
    socket.destroy()
  })

  it('wait for a client that reads the past events slowly', async () => {
    withLimits({})
    const client = await StreamClient.open(url)
    await client.untilEvents(1)
    const frames = Array.from({ length: 200 }, (_, index) =>
      frameOf('news', String(index), JSON.stringify('x'.repeat(10_000))),
    )
    await opened[0]?.sendAll(frames)
    await client.untilEvents(201)
    expect(client.lastId).to.equal('199')
  })

  for (const [what, later] of [
    ['whose key has been revoked', () => Promise.reject(new ExpectedError('unauthenticated', 'x'))],
    ['who has lost the scope', () => Promise.reject(new ExpectedError('forbidden', 'x'))],
    ['who is bound to other restaurants now', async () => ({ ...ada, restaurants: new Set(['another']) })],
  ] as [string, () => Promise<Caller>][]) {
    it(`end for a caller ${what}`, async () => {
      withLimits({ recheckMs: 10 })
      const client = await StreamClient.open(url)
      await client.untilEvents(1)
      recheck = later
      await until('the stream has ended', () => !client.isOpen)
    })
  }

  it('continue while authentication is unavailable', async () => {
    withLimits({ recheckMs: 10 })
    let looks = 0
    recheck = async () => {
      looks++
      throw new ExpectedError('auth-unavailable', 'The keys cannot be fetched')
    }
    const client = await StreamClient.open(url)
    await until('it has been looked at twice', () => looks > 1)
    expect(client.isOpen).to.equal(true)
  })

  it('end when the process stops, and no new stream is accepted', async () => {
    withLimits({})
    const clients = [await StreamClient.open(url), await StreamClient.open(url)]
    streams.drain()
    await until('both have ended', () => clients.every(({ isOpen }) => !isOpen))
    expect(await StreamClient.open(url).catch(String)).to.contain('overloaded')
  })

  it('send each client a different reconnection time', async () => {
    withLimits({ maxPerCallerCount: 10 })
    const waits = await Promise.all(
      Array.from({ length: 8 }, async () => await (await StreamClient.open(url)).retryMs()),
    )
    for (const ms of waits) expect(ms).to.be.within(500, 2_500)
    expect(new Set(waits).size).to.be.above(1)
  })
})
