import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { exportSPKI, generateKeyPair, SignJWT } from 'jose'
import { createApiKey } from '../../src/http/auth/api-keys.ts'
import { scopes } from '../../src/platform/caller.ts'
import { ApiClient } from '../support/api-client.ts'
import { type Child, killChildren, startChild } from '../support/child.ts'
import { asRole, type Role, roles } from '../support/role-logins.ts'
import { openTestDatabase } from '../support/system.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'

const issuer = 'https://issuer.example'
const audience = 'comanda'

/** A random text that cannot occur by chance. */
const canary = (what: string) => `canary-${what}-${randomBytes(12).toString('hex')}`

/** Sends secrets to every place that accepts one, and searches every output for them. */
describe('secrets', () => {
  const planted: Record<string, string> = {
    'a header for the collector of traces': canary('header'),
    'an idempotency key': canary('idempotency'),
    'a key that is none': `comanda_${canary('key')}`,
    'a token that is none': `${canary('head')}.${canary('payload')}.${canary('signature')}`,
  }
  const folder = temporaryFolder()
  const children: Child[] = []
  const collector = createServer((request, response) => {
    request.resume()
    response.writeHead(401).end()
  })
  /** every problem document that was sent */
  const problems: string[] = []
  let opened: Awaited<ReturnType<typeof openTestDatabase>>
  let env: Record<string, string>

  before(async () => {
    opened = await openTestDatabase()
    const { database, url } = opened
    planted['the password of the database'] = new URL(asRole('api', url)).password
    for (const role of roles) writeFileSync(urlFile(role), asRole(role, url))
    const headers = join(folder, 'headers')
    writeFileSync(headers, `authorization=Bearer%20${planted['a header for the collector of traces']}`)
    env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: await startCollector(),
      OTEL_EXPORTER_OTLP_HEADERS_FILE: headers,
      PORT: '0',
      LOG_LEVEL: 'trace',
      WEBHOOK_ALLOW_PRIVATE: 'true',
    }

    const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
    writeFileSync(join(folder, 'public-key'), await exportSPKI(publicKey))
    planted['a token'] = await new SignJWT({ scope: scopes.join(' ') })
      .setProtectedHeader({ alg: 'RS256' })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject('till-1')
      .setExpirationTime('1h')
      .sign(privateKey)
    planted['an API key'] = (await createApiKey(database, { name: 'till-1', scopes })).key
  })
  after(async () => {
    killChildren()
    for (const child of children) await child.ended
    collector.close()
    await opened.close()
    rmSync(folder, { recursive: true })
  })

  /** Starts a collector that rejects every export, so that the processes log warnings. */
  async function startCollector(): Promise<string> {
    collector.listen(0, '127.0.0.1')
    await once(collector, 'listening')
    return `http://127.0.0.1:${(collector.address() as AddressInfo).port}`
  }

  const urlFile = (role: Role) => join(folder, `database-url-${role}`)

  async function start(role: Role, more: Record<string, string> = {}): Promise<Child> {
    const child = startChild(['src/main.ts', role], { DATABASE_URL_FILE: urlFile(role), ...env, ...more })
    children.push(child)
    await child.untilOutput(/is ready/)
    return child
  }

  async function startApi(more: Record<string, string>): Promise<ApiClient> {
    const [, url = ''] = /"url":"(http:[^"]+)"/.exec((await start('api', more)).output()) ?? []
    return new ApiClient(url)
  }

  it('are in no log line, job, event, problem document or process argument', async () => {
    const apis: [secret: string, api: ApiClient][] = [
      [
        'an API key',
        await startApi({ AUTH_MODE: 'api-key', OPERATIONS_DATABASE_URL_FILE: urlFile('operations') }),
      ],
      [
        'a token',
        await startApi({
          AUTH_MODE: 'jwt',
          OPERATIONS_DATABASE_URL_FILE: urlFile('operations'),
          JWT_ISSUER: issuer,
          JWT_AUDIENCE: audience,
          JWT_PUBLIC_KEY_FILE: join(folder, 'public-key'),
        }),
      ],
    ]
    await start('dispatcher')
    await start('worker')
    for (const [secret, api] of apis) await useEverywhere(api, planted[secret] ?? '')
    const away = startChild(['src/main.ts', 'api'], {
      ...env,
      DATABASE_URL_FILE: unreachable('api'),
      DATABASE_WAIT_MS: '0',
    })
    children.push(away)
    expect(await away.ended).to.equal(1)
    const unchangeable = startChild(['src/main.ts', 'api'], {
      ...env,
      DATABASE_URL_FILE: urlFile('api'),
      OPERATIONS_DATABASE_URL_FILE: unreachable('operations'),
      DATABASE_WAIT_MS: '0',
    })
    children.push(unchangeable)
    expect(await unchangeable.ended).to.equal(1)
    await breakConnections()
    const warning = () => children.filter(child => child.output().includes('could not export traces'))
    await until('the processes have logged export errors', () => warning().length >= 4)

    expect(problems.length).to.be.above(10)
    const found = await whereTheyAre()
    expect(found).to.deep.equal([])
  })

  /**
   * Sends the secrets with requests that succeed, are rejected and fail, and waits for the
   * pipeline.
   */
  async function useEverywhere(api: ApiClient, bearer: string): Promise<void> {
    const key = planted['an idempotency key'] ?? ''
    const headers = { authorization: `Bearer ${bearer}`, 'idempotency-key': key }
    const call = async (method: string, path: string, body?: unknown, given = {}) => {
      const reply = await api.call(method, path, body, { ...headers, ...given })
      if (reply.status >= 400) problems.push(JSON.stringify([reply.body, [...reply.headers]]))
      return reply
    }
    // Nothing listens there: the log of the failure must not contain the secret either.
    const hook = await call(
      'POST',
      '/api/v1/webhooks',
      { url: 'http://127.0.0.1:1/' },
      {
        'idempotency-key': `${key}.webhook`,
      },
    )
    planted[`the secret of a webhook (${bearer.length})`] = String(hook.body['secret'])
    const added = await call('POST', '/api/v1/inventory/add/restaurant', { name: 'R' })
    const { restaurant_id } = added.body
    const another = { 'idempotency-key': `${key}.item` }
    const path = `/api/v1/inventory/add/${String(restaurant_id)}/item`
    const { body: item } = await call('POST', path, { name: 'P', available_qty: 5 }, another)
    const order = { restaurant_id, items: [{ menu_item_id: item['menu_item_id'], quantity: 1 }] }
    const placed = await call('POST', '/api/v1/orders', order, { 'idempotency-key': `${key}.order` })
    expect(placed.status).to.equal(202)
    await until('the order is prepared', async () => {
      const { body } = await call('GET', `/api/v1/orders/${String(placed.body['order_id'])}`)
      return body['status'] === 'PREPARING'
    })
    await until('a delivery was tried', async () => {
      const rows = await opened.database.query('select 1 from webhook_attempts limit 1')
      return rows.length > 0
    })

    const pause = '/api/v1/ops/queues/order.reject/pause'
    const change = { reason: 'the till is counted' }
    const paused = await call('POST', pause, change, { 'idempotency-key': `${key}.pause` })
    expect(paused.status).to.equal(200)

    expect((await call('POST', '/api/v1/orders', order)).status, 'the key of another request').to.equal(422)
    await call('POST', '/api/v1/orders', order, { 'idempotency-key': `${key} ü` })
    await call('POST', '/api/v1/orders', { restaurant_id: key })
    await call('GET', `/api/v1/orders?cursor=${key}`, undefined)
    for (const secret of ['a key that is none', 'a token that is none'])
      expect((await call('GET', '/metrics', undefined, bearerOf(planted[secret] ?? ''))).status).to.equal(401)
    await call('GET', '/api/v1/orders', undefined, { authorization: `Basic ${bearer}` })

    // Postgres errors contain the whole row that violates a constraint.
    await opened.database.execute(
      'alter table idempotency_keys add constraint nothing_is_remembered check (false) not valid',
    )
    const broken = { 'idempotency-key': `${key}.broken` }
    for (const [path, body] of [
      ['/api/v1/orders', order],
      ['/api/v1/inventory/add/restaurant', { name: 'R' }],
      [pause, change],
    ] as const)
      expect((await call('POST', path, body, broken)).status).to.equal(500)
    await opened.database.execute('alter table idempotency_keys drop constraint nothing_is_remembered')
  }

  const bearerOf = (token: string) => ({ authorization: `Bearer ${token}` })

  /** Returns a file with a login at an address without a database. */
  function unreachable(role: Role): string {
    const file = join(folder, `unreachable-${role}`)
    const url = new URL(readFileSync(urlFile(role), 'utf8'))
    url.host = '127.0.0.1:1'
    writeFileSync(file, url.href)
    return file
  }

  async function breakConnections(): Promise<void> {
    await opened.database.execute(
      `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name like 'comanda-%'`,
    )
    const lost = () => children.filter(child => /connection lost|listener lost/.test(child.output()))
    await until('the processes have noticed', () => lost().length >= 4)
  }

  async function whereTheyAre(): Promise<string[]> {
    const places: [place: string, content: string][] = [
      ...children.map(child => ['a log', child.output() + child.errors()] as [string, string]),
      ['a problem document', problems.join('\n')],
      ['a process argument', processArguments()],
    ]
    for (const [place, sql] of [
      ['a job', 'select data, output from pgboss.job'],
      ['an event', 'select payload, trace_context from outbox_events'],
      ['a dead letter', 'select data, error from dead_letters'],
      ['what operators see', 'select to_jsonb(w) from ops.workers as w'],
      ['a statement', 'select query, application_name from pg_stat_activity'],
      ['what operators see of webhooks', 'select to_jsonb(w) from ops.webhooks as w'],
      ['a delivery', 'select to_jsonb(d) from webhook_deliveries as d'],
      ['an attempt', 'select to_jsonb(a) from webhook_attempts as a'],
      ['a stored key', `select key_id, name, encode(hash, 'escape') from api_keys`],
    ] as const) {
      const rows = await opened.database.query(sql)
      if (place !== 'a dead letter') expect(rows, place).not.to.deep.equal([])
      places.push([place, JSON.stringify(rows)])
    }
    return places.flatMap(([place, content]) =>
      Object.entries(planted)
        .filter(([, secret]) => content.includes(secret) || content.includes(secret.slice(-24)))
        .map(([what]) => `${what} in ${place}`),
    )
  }
})

/** Returns the arguments of every process that this user may read; none without `/proc`. */
function processArguments(): string {
  return globSync('/proc/[0-9]*/cmdline').map(readIfThere).join('\n')
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
