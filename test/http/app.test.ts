import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { z } from 'zod'
import { route } from '../../src/http/route.ts'
import { createApp } from '../../src/http/server/app.ts'
import { healthPages, runReadinessChecks } from '../../src/http/server/health.ts'
import { createMetrics } from '../../src/http/server/metrics.ts'
import { DatabaseUnavailable, Overloaded } from '../../src/platform/errors.ts'
import { type LogLine, recordingLog } from '../support/log.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { expectProblem } from './expect-problem.ts'
import { type RawReply, send } from './send.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe('createApp', () => {
  let server: Server
  let baseUrl: string
  let lines: LogLine[]
  /** the handler of the only route */
  let handle: () => Promise<Record<string, unknown>>
  let readiness: () => Promise<string>
  let kitchen = async () => 'ok'

  before(async () => {
    const recording = recordingLog()
    lines = recording.lines
    const metrics = createMetrics()
    const app = createApp({
      routes: [
        route({
          method: 'get',
          path: '/things/{thing_id}',
          operationId: 'getThing',
          scope: 'orders:read',
          summary: 'Get',
          description: 'Gets.',
          tag: 'Things',
          params: z.object({ thing_id: z.string() }),
          status: 200,
          statusDescription: 'Got',
          replySchema: z.record(z.string(), z.unknown()),
          replyExample: {},
          errors: [],
          handle: async () => ({ body: await handle() }),
        }),
      ],
      pages: {
        open: [
          healthPages(() =>
            runReadinessChecks({
              database: { check: () => readiness() },
              kitchen: { check: () => kitchen(), advisory: true },
            }),
          ),
        ],
        callers: [],
        operators: [metrics.page],
      },
      metrics,
      log: recording.log,
    })
    const serve = app.callback()
    server = createServer((request, response) => void serve(request, response))
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
    baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(async () => {
    const closed = new Promise(done => server.close(done))
    server.closeAllConnections()
    await closed
  })
  beforeEach(() => {
    lines.length = 0
    handle = async () => ({ ok: true })
    readiness = async () => 'ok'
  })

  async function get(path = '/things/1', headers: Record<string, string> = {}): Promise<RawReply> {
    return await send(baseUrl, { method: 'GET', path, headers })
  }

  async function failWith(thrown: unknown): Promise<RawReply> {
    handle = async () => await Promise.reject(thrown)
    return await get('/things/1', { 'x-request-id': 'mine' })
  }

  for (const error of [new Overloaded('The queue'), new DatabaseUnavailable(new Error('away'))]) {
    const { code } = error
    it(`answers ${code} with Retry-After`, async () => {
      const reply = await failWith(error)
      expectProblem(reply, { code })
      expect(reply.headers['retry-after']).to.equal('1')
      expect(lines.filter(({ level }) => Number(level) >= 50)).to.deep.equal([])
    })
  }

  it('logs why the database was unavailable and hides it from the client', async () => {
    const reply = await failWith(new DatabaseUnavailable(new Error('connect ECONNREFUSED 10.0.0.1:5432')))
    expect(reply.text).not.to.include('10.0.0.1')
    expect(lines.find(({ code }) => code === 'database-unavailable')).to.include({
      cause: 'connect ECONNREFUSED 10.0.0.1:5432',
    })
  })

  const secret = 'duplicate key value violates unique constraint "orders_are_known_by_id" in /work/src/x.ts'
  const bugs: Record<string, unknown> = {
    'an Error': new Error(secret),
    'a TypeError': new TypeError(secret),
    'an error with a status of its own': Object.assign(new Error(secret), { status: 418, expose: true }),
    'an error of the database': Object.assign(new Error(secret), {
      code: '23505',
      query: 'insert into orders',
    }),
    'something that is no Error': { message: secret },
    nothing: undefined,
  }
  for (const [what, bug] of Object.entries(bugs)) {
    it(`answers 500 when a handler throws ${what}, and writes the cause to the log only`, async () => {
      const reply = await failWith(bug)
      expectProblem(reply, { code: 'internal' })
      expect(reply.text).not.to.include('duplicate key')
      const [line, ...others] = lines.filter(({ level }) => Number(level) >= 50)
      expect(others).to.deep.equal([])
      expect(line).to.include({
        msg: 'request failed on an unexpected error',
        method: 'GET',
        path: '/things/1',
      })
      if (bug instanceof Error)
        expect(line?.['err']).to.include({ message: secret }).and.have.property('stack')
    })
  }

  it('uses a valid request id of the client', async () => {
    for (const id of ['a', 'A-b_c.d:e', '019a0000-0000-7000-8000-000000000001', 'x'.repeat(64)]) {
      const reply = await get('/things/1', { 'x-request-id': id })
      expect(reply.headers['x-request-id']).to.equal(id)
    }
  })

  it('creates a request id when the client sends none or an unsafe one', async () => {
    const unfit = ['', ' ', 'a b', 'a\tb', 'x'.repeat(65), '<script>', '"', "'; --", '${jndi:x}', 'é', 'a, b']
    const replies = await Promise.all([get(), ...unfit.map(id => get('/things/1', { 'x-request-id': id }))])
    const ids = replies.map(({ headers }) => String(headers['x-request-id']))
    for (const id of ids) expect(id).to.match(UUID)
    expect(new Set(ids).size).to.equal(ids.length)
  })

  it('answers /healthz without a check and /readyz with the checks', async () => {
    readiness = async () => 'cannot be reached'
    expect(await get('/healthz')).to.include({ status: 200, text: '{"status":"ok"}' })
    const unready = await get('/readyz')
    expectProblem(unready, { code: 'not-ready' })
    expect(unready.headers['retry-after']).to.equal('1')
    expect(JSON.parse(unready.text)).to.deep.include({
      detail: 'database: cannot be reached',
      checks: { database: 'cannot be reached', kitchen: 'ok' },
    })
    readiness = async () => 'ok'
    const ready = await get('/readyz')
    expect(ready.status).to.equal(200)
    expect(JSON.parse(ready.text)).to.deep.equal({
      status: 'ready',
      checks: { database: 'ok', kitchen: 'ok' },
    })
    kitchen = async () => 'is closed'
    const degraded = await get('/readyz')
    expect(degraded.status).to.equal(200)
    expect(JSON.parse(degraded.text)).to.deep.include({ status: 'degraded' })
    kitchen = async () => 'ok'
  })

  it('counts requests by method, route and status', async () => {
    await get('/things/1')
    await get('/things/2')
    await failWith(new Error('bug'))
    await get('/nothing')
    const metrics = await get('/metrics')
    expect(metrics.status).to.equal(200)
    expect(metrics.headers['content-type']).to.match(/^text\/plain\b/)
    expect(metrics.text).to.match(/^# TYPE http_server_request_duration_seconds histogram$/m)
    expect(countOf(metrics.text, '/things/:thing_id', 200)).to.be.at.least(2)
    expect(countOf(metrics.text, '/things/:thing_id', 500)).to.be.at.least(1)
    expect(countOf(metrics.text, 'none', 404)).to.be.at.least(1)
    // A label with the path would create one series per id.
    expect(metrics.text).not.to.match(/\/things\/[12]|\/nothing/)
  })
})

/** Returns the number of measured requests of a route with this status. */
function countOf(metrics: string, path: string, status: number): number {
  const line = metrics
    .split('\n')
    .find(
      line =>
        line.startsWith('http_server_request_duration_seconds_count{') &&
        line.includes(`http_route="${path}"`) &&
        line.includes(`http_response_status_code="${status}"`),
    )
  return Number(line?.split(' ')[1] ?? 0)
}

describe('the pages of a running API', () => {
  let system: TestSystem

  before(async () => {
    system = await startSystem(['api'])
  })
  after(() => system.stop())

  it('report a healthy and ready process', async () => {
    expect((await system.api.call('GET', '/healthz')).body).to.deep.equal({ status: 'ok' })
    expect((await system.api.call('GET', '/readyz')).body).to.deep.equal({
      status: 'degraded',
      checks: {
        drain: 'ok',
        database: 'ok',
        migrations: 'ok',
        queue_schema: 'ok',
        dispatcher: 'no dispatcher is running: orders are accepted and wait',
        clock: 'ok',
      },
    })
  })

  it('name the migration that is missing in the database', async () => {
    const { api, database } = system
    await database.execute('alter table schema_migrations rename to forgotten_migrations')
    const unready = await api.call('GET', '/readyz')
    await database.execute('alter table forgotten_migrations rename to schema_migrations')
    expect(unready.status).to.equal(503)
    expect(unready.body).to.include({ code: 'not-ready' })
    expect(unready.body['detail']).to.match(/^migrations: lacks \w+/)
    expect((await api.call('GET', '/readyz')).status).to.equal(200)
  })
})
