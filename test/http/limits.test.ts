import type { Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import { createApiKey } from '../../src/http/auth/api-keys.ts'
import { createHttpServer, serverLimits } from '../../src/http/server/server.ts'
import { connectionLimitOf, parseConfig, rateLimitOf } from '../../src/platform/config.ts'
import { ApiClient, type Reply } from '../support/api-client.ts'
import { quiet, recordingLog } from '../support/log.ts'
import { startApi } from '../support/start-role.ts'
import { startSystem, type TestSystem, testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'

describe('rate limits', () => {
  let system: TestSystem
  const limit = { AUTH_MODE: 'api-key', RATE_LIMIT_PER_MINUTE: 5 } as const

  before(async () => {
    system = await startSystem(['api'], undefined, limit)
  })
  after(() => system.stop())

  async function newCaller(): Promise<(client?: ApiClient) => Promise<Reply>> {
    const { key } = await createApiKey(system.database, { name: 'test', scopes: ['inventory:read'] })
    const headers = { authorization: `Bearer ${key}` }
    return async (client = system.api) => await client.call('GET', '/api/v1/restaurants', undefined, headers)
  }

  const remaining = ({ headers }: Reply) =>
    Number(/;r=(\d+);t=\d+$/.exec(headers.get('ratelimit') ?? '')?.[1])

  it('report the remaining requests, and answer 429 with Retry-After beyond the limit', async () => {
    const call = await newCaller()
    for (const left of [4, 3, 2, 1, 0]) {
      const reply = await call()
      expect([reply.status, remaining(reply)]).to.deep.equal([200, left])
      expect(reply.headers.get('ratelimit-policy')).to.equal('"default";q=5;w=60')
    }
    for (let again = 0; again < 3; again++) {
      const reply = await call()
      expect([reply.status, reply.body['code'], remaining(reply)]).to.deep.equal([429, 'rate-limited', 0])
      expect(Number(reply.headers.get('retry-after'))).to.be.within(1, 60)
    }
  })

  it('count requests that the scopes of the caller do not permit', async () => {
    const { key } = await createApiKey(system.database, { name: 'test', scopes: ['ops'] })
    const statuses: number[] = []
    for (let count = 0; count < 17; count++) {
      const headers = { authorization: `Bearer ${key}` }
      const reply = await system.api.call('GET', '/api/v1/restaurants', undefined, headers)
      expect(remaining(reply)).to.equal(Math.max(0, 4 - count))
      statuses.push(reply.status)
    }
    expect(statuses).to.deep.equal([...Array<number>(5).fill(403), ...Array<number>(12).fill(429)])
  })

  it('count each caller separately', async () => {
    const [one, other] = [await newCaller(), await newCaller()]
    for (let count = 0; count < 6; count++) await one()
    expect((await one()).status).to.equal(429)
    expect((await other()).status).to.equal(200)
  })

  it('count across all processes', async () => {
    const second = await startApi({ ...testConfig, ...limit }, system.url, quiet)
    try {
      const call = await newCaller()
      const clients = [system.api, new ApiClient(second.url)]
      const replies = await Promise.all(Array.from({ length: 12 }, (_, index) => call(clients[index % 2])))
      expect(replies.filter(({ status }) => status === 200)).to.have.lengthOf(5)
    } finally {
      await second.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    }
  })

  it('count in memory while the database is unavailable', async () => {
    const call = await newCaller()
    await call()
    await system.database.execute('alter table rate_limits rename to no_rate_limits')
    const replies = await Promise.all(Array.from({ length: 7 }, () => call()))
    await system.database.execute('alter table no_rate_limits rename to rate_limits')
    expect(replies.filter(({ status }) => status === 200)).to.have.lengthOf(5)
    expect(replies.filter(({ status }) => status === 429)).to.have.lengthOf(2)
  })

  it('are off without authentication, unless set', () => {
    expect(rateLimitOf({ AUTH_MODE: 'none' })).to.equal(undefined)
    expect(rateLimitOf({ AUTH_MODE: 'none', RATE_LIMIT_PER_MINUTE: 7 })).to.equal(7)
    expect(rateLimitOf({ AUTH_MODE: 'jwt' })).to.equal(6_000)
    expect(rateLimitOf({ AUTH_MODE: 'jwt', RATE_LIMIT_PER_MINUTE: 0 })).to.equal(undefined)
  })
})

describe('a path that is too long', () => {
  let system: TestSystem

  before(async () => {
    system = await startSystem(['api'])
  })
  after(() => system.stop())

  it('is refused with 414', async () => {
    const path = `/api/v1/orders?customer_id=${'x'.repeat(8_200)}`
    const { status, body } = await system.api.call('GET', path)
    expect([status, body['code']]).to.deep.equal([414, 'path-too-long'])
  })
})

describe('the connections of one address', () => {
  const LIMIT = 5
  const { log, lines } = recordingLog()
  let system: TestSystem
  let port: number

  before(async () => {
    system = await startSystem(['api'], log, { CONNECTIONS_PER_ADDRESS_COUNT: LIMIT })
    port = Number(new URL(system.api.baseUrl).port)
  })
  after(() => system.stop())

  /** @returns a connection that is kept, and whether it was served */
  async function open(localAddress = '127.0.0.1'): Promise<{ socket: Socket; isServed: boolean }> {
    const socket = connect({ port, host: '127.0.0.1', localAddress })
    socket.on('error', () => undefined)
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const isServed = await new Promise<boolean>(done =>
      socket.once('data', () => done(true)).once('close', () => done(false)),
    )
    return { socket, isServed }
  }

  it('are closed at once beyond the limit, and accepted again when others have ended', async function () {
    // Other systems have only one loopback address.
    if (process.platform !== 'linux') this.skip()
    const opened = []
    for (let count = 0; count < LIMIT + 3; count++) opened.push(await open())
    const served = opened.map(({ isServed }) => isServed)
    expect(served.slice(0, LIMIT)).not.to.include(false)
    expect(served.slice(LIMIT)).to.deep.equal([false, false, false])
    const neighbour = await open('127.0.0.2')
    expect(neighbour.isServed).to.equal(true)
    const warnings = lines.filter(({ msg }) => msg.startsWith('connection limit'))
    expect(warnings.map(({ address, connections }) => [address, connections])).to.deep.equal([
      ['127.0.0.1', LIMIT],
    ])

    opened[0]?.socket.destroy()
    await until('one is taken again', async () => {
      const again = await open()
      opened.push(again)
      return again.isServed
    })
    expect((await open()).isServed).to.equal(false)
    for (const { socket } of [...opened, neighbour]) socket.destroy()
  })

  it('are unlimited on a loopback address and behind proxies, unless set', () => {
    const limitOf = (env: Record<string, string>) => connectionLimitOf(parseConfig(env))
    expect(limitOf({})).to.equal(undefined)
    expect(limitOf({ HOST: '0.0.0.0' })).to.equal(1_000)
    expect(limitOf({ HOST: '0.0.0.0', TRUSTED_PROXY_COUNT: '1' })).to.equal(undefined)
    expect(limitOf({ HOST: '0.0.0.0', CONNECTIONS_PER_ADDRESS_COUNT: '0' })).to.equal(undefined)
    expect(limitOf({ CONNECTIONS_PER_ADDRESS_COUNT: '7', TRUSTED_PROXY_COUNT: '1' })).to.equal(7)
  })
})

describe('a server with slow clients', () => {
  const SOCKET_COUNT = 500
  let server: Server
  let port: number

  before(async () => {
    const limits = { ...serverLimits, headersTimeoutMs: 200, requestTimeoutMs: 300, checkIntervalMs: 50 }
    server = createHttpServer(
      (request, response) => {
        request.resume().on('end', () => response.end('served'))
      },
      {},
      limits,
    )
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
    ;({ port } = server.address() as AddressInfo)
  })
  after(async () => {
    server.closeAllConnections()
    await new Promise(done => server.close(done))
  })

  const connectionCount = () => new Promise<number>(done => server.getConnections((_, count) => done(count)))

  it('disconnects 500 clients that never finish their request, and serves others meanwhile', async () => {
    const slow = [
      'GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf',
    ]
    const sockets: Socket[] = []
    const answers = Array.from({ length: SOCKET_COUNT }, async (_, index) => {
      const socket = connect(port, '127.0.0.1')
      sockets.push(socket)
      socket.write(slow[index % 2] ?? '')
      return await text(socket).catch(() => '')
    })
    const served = await fetch(`http://127.0.0.1:${port}`)
    expect(await served.text()).to.equal('served')
    for (const answer of await Promise.all(answers))
      expect(answer).to.match(/^HTTP\/1.1 408 [^]*request-timeout/)
    for (const socket of sockets) socket.destroy()
    await until('no slow connection is left', async () => (await connectionCount()) <= 1)
  })

  it('has timeouts of at most 15 s in production', () => {
    const { headersTimeoutMs, requestTimeoutMs, answerTimeoutMs, checkIntervalMs } = serverLimits
    expect(Math.max(headersTimeoutMs, requestTimeoutMs) + checkIntervalMs).to.be.below(15_000)
    expect(2 * answerTimeoutMs).to.be.below(15_000)
  })
})

describe('a server with clients that do not read', () => {
  /** More than the kernel buffers at both ends of a connection. */
  const LARGE_BYTES = 64 * 1024 * 1024
  const PIECE_BYTES = 256 * 1024
  const large = Buffer.alloc(LARGE_BYTES)
  let server: Server
  let port: number

  before(async () => {
    server = createHttpServer(
      (request, response) => {
        if (request.url === '/large') response.end(large)
        else if (request.url === '/piece') response.end(large.subarray(0, PIECE_BYTES))
        // A handler that takes longer than the timeout of a response.
        else response.once('timeout', () => response.end('late'))
      },
      {},
      { ...serverLimits, answerTimeoutMs: 400 },
    )
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
    ;({ port } = server.address() as AddressInfo)
  })
  after(async () => {
    server.closeAllConnections()
    await new Promise(done => server.close(done))
  })

  const connectionCount = () => new Promise<number>(done => server.getConnections((_, count) => done(count)))
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`

  it('disconnects clients that do not read their responses, and serves others meanwhile', async () => {
    for (const requests of [get('/large'), get('/piece').repeat(LARGE_BYTES / PIECE_BYTES)]) {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined)
      socket.write(requests)
      await until('it is connected', async () => (await connectionCount()) === 1)
      const served = await fetch(`http://127.0.0.1:${port}/piece`, { headers: { connection: 'close' } })
      expect(await served.arrayBuffer()).to.have.property('byteLength', PIECE_BYTES)
      await until('it is dropped', async () => (await connectionCount()) === 0)
      socket.destroy()
    }
  })

  it('sends a whole response to a client that reads it', async () => {
    const served = await fetch(`http://127.0.0.1:${port}/large`, { headers: { connection: 'close' } })
    expect(await served.arrayBuffer()).to.have.property('byteLength', LARGE_BYTES)
  })

  it('does not disconnect a client that waits for a handler', async () => {
    const served = await fetch(`http://127.0.0.1:${port}/slow`, { headers: { connection: 'close' } })
    expect(await served.text()).to.equal('late')
  })
})
