import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { exportSPKI, generateKeyPair, SignJWT } from 'jose'
import type { Database } from '../../src/db/database.ts'
import { startBoss } from '../../src/jobs/boss.ts'
import { scopes } from '../../src/platform/caller.ts'
import { ApiClient } from '../support/api-client.ts'
import { type Child, killChildren } from '../support/child.ts'
import { quiet } from '../support/log.ts'
import { addMenu, place } from '../support/pipeline.ts'
import type { ProcessRole } from '../support/role-logins.ts'
import { startRoleProcess } from '../support/start-role.ts'
import { StreamClient } from '../support/stream-client.ts'
import { openTestDatabase } from '../support/system.ts'
import { until } from '../support/until.ts'
import { Receiver } from '../webhooks/receivers.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
/** Far above the time that a test takes, and far below the skews. */
const TOLERANCE_SECONDS = 120

/** Starts a role as a process whose machine has a wrong clock. */
function startSkewed(
  role: ProcessRole,
  url: string,
  skewMs: number,
  env: Record<string, string> = {},
): Child {
  const preload = pathToFileURL(join(import.meta.dirname, '../support/skew-clock-child.ts')).href
  return startRoleProcess(role, url, {
    NODE_OPTIONS: `--import ${preload}`,
    CLOCK_SKEW_MS: String(skewMs),
    WEBHOOK_ALLOW_PRIVATE: 'true',
    ...env,
  })
}

describe('an API 10 minutes ahead, and a dispatcher and a worker 10 minutes behind', () => {
  let opened: Awaited<ReturnType<typeof openTestDatabase>>
  let database: Database
  let receiver: Receiver
  let api: ApiClient
  let status: ApiClient
  let apiProcess: Child
  let orderId = ''
  let restaurantId = ''

  before(async () => {
    opened = await openTestDatabase()
    database = opened.database
    receiver = await Receiver.start()
    apiProcess = startSkewed('api', opened.url, 10 * MINUTE_MS)
    const worker = startSkewed('worker', opened.url, -10 * MINUTE_MS, { STATUS_PORT: '0' })
    startSkewed('dispatcher', opened.url, -10 * MINUTE_MS)
    const urlIn = async (child: Child) =>
      (await child.untilOutput(/"url":"(http:[^"]+)"/))[1] ?? expect.fail('no URL')
    api = new ApiClient(await urlIn(apiProcess))
    status = new ApiClient(await urlIn(worker))
    await api.call('POST', '/api/v1/webhooks', { url: receiver.url })
    const { restaurant_id } = await api.addRestaurant()
    restaurantId = restaurant_id
    const { menu_item_id } = await api.addItem(restaurant_id, 10)
    const { order_id } = await api.place(restaurant_id, [menu_item_id, 1])
    orderId = order_id
    await api.untilStatus(order_id, 'PREPARING')
    await api.setStatus(order_id, 'OUT_FOR_DELIVERY')
    await api.setStatus(order_id, 'DELIVERED')
    const cancelled = await api.place(restaurant_id, [menu_item_id, 1])
    await api.untilStatus(cancelled.order_id, 'PREPARING')
    await api.cancel(cancelled.order_id)
    await until('the last event has been delivered', () =>
      receiver.typesOf(order_id).includes('order.status.delivered.v1'),
    )
  })
  after(async () => {
    killChildren()
    await receiver.stop()
    await opened.close()
  })

  it('write the transitions of an order in the order of their times', async () => {
    const steps = await database.query<{ to_status: string; after_ms: number | null }>(
      `select to_status, (extract(epoch from at - lag(at) over (order by seq)) * 1000)::float8 as after_ms
      from order_transitions where order_id = $1 order by seq`,
      [orderId],
    )
    expect(steps.map(({ to_status }) => to_status)).to.deep.equal([
      'PLACED',
      'PREPARING',
      'OUT_FOR_DELIVERY',
      'DELIVERED',
    ])
    for (const { to_status, after_ms } of steps.slice(1))
      expect(after_ms, to_status).to.be.within(0, TOLERANCE_SECONDS * 1_000)
  })

  it('report no negative time in a status', async () => {
    await until('the statistics count both orders', async () => {
      const { body } = await api.call('GET', `/api/v1/restaurants/${restaurantId}/stats`)
      return (
        (body['totals'] as { time_in_status: { PREPARING: { count: number } } }).time_in_status.PREPARING
          .count === 2
      )
    })
    const { body } = await api.call('GET', `/api/v1/restaurants/${restaurantId}/stats`)
    const { time_in_status } = body['totals'] as {
      time_in_status: Record<string, { mean_seconds: number }>
    }
    for (const [name, { mean_seconds }] of Object.entries(time_in_status))
      expect(mean_seconds, name).to.be.within(0, TOLERANCE_SECONDS)
  })

  /**
   * Every column that holds a time, and every id that contains one. Statistics are stored by
   * period, which begins earlier.
   */
  it('store only times and ids of the time of the database', async () => {
    const columns = await database.query<{ table: string; column: string; type: string }>(
      `select c.table_name as table, c.column_name as column, c.udt_name as type
      from information_schema.columns as c
      join information_schema.tables as t using (table_schema, table_name)
      where table_schema = 'public'
        and table_type = 'BASE TABLE'
        and table_name not in ('schema_migrations', 'retention', 'slot_assignment')
        and table_name not like 'restaurant\\_%'
        and udt_name in ('timestamptz', 'uuid')
      order by 1, 2`,
    )
    const off: string[] = []
    for (const { table, column, type } of columns) {
      const time = type === 'uuid' ? `uuid_extract_timestamp(${column})` : column
      const rows = await database.query<{ seconds: number }>(
        `select extract(epoch from ${time} - now())::float8 as seconds from ${table} where ${time} is not null`,
      )
      for (const { seconds } of rows)
        if (Math.abs(seconds) > TOLERANCE_SECONDS) off.push(`${table}.${column}: ${Math.round(seconds)} s`)
    }
    expect([...new Set(off)]).to.deep.equal([])
  })

  it('sign deliveries with a timestamp that every receiver tolerates, and send true event times', () => {
    expect(receiver.received).to.have.length.above(5)
    for (const { headers, event } of receiver.received) {
      const age = Date.now() / 1_000 - Number(headers['webhook-timestamp'])
      expect(age).to.be.within(-TOLERANCE_SECONDS, TOLERANCE_SECONDS)
      expect(Date.now() - Date.parse(event.time)).to.be.within(-1_000, TOLERANCE_SECONDS * 1_000)
      for (const time of JSON.stringify(event.data).matchAll(/"(\d{4}-[^"]+Z)"/g))
        expect(Date.now() - Date.parse(String(time[1]))).to.be.within(-1_000, TOLERANCE_SECONDS * 1_000)
    }
  })

  it('report how far they are off, and stay ready', async () => {
    for (const [client, detail, seconds] of [
      [api, /^is 600\.\d s ahead of the clock of the database$/, 600],
      [status, /^is (600\.\d|599\.9) s behind the clock of the database$/, -600],
    ] as const) {
      const { body, status } = await client.call<{ status: string; checks: Record<string, string> }>(
        'GET',
        '/readyz',
      )
      expect(status).to.equal(200)
      expect(body.status).to.equal('degraded')
      expect(body.checks['clock']).to.match(detail)
      const { text } = (await client.call<{ text: string }>('GET', '/metrics')).body
      const [, value] = /^comanda_clock_skew_seconds (\S+)$/m.exec(text) ?? []
      expect(Number(value)).to.be.closeTo(seconds, 1)
    }
    const warnings = apiProcess.output().match(/"skew_seconds":600/g)
    expect(warnings).to.have.length(1)
  })
})

describe('an API 50 days ahead and an API 50 days behind', () => {
  const RATE_LIMIT = 40
  let opened: Awaited<ReturnType<typeof openTestDatabase>>
  let keys: Awaited<ReturnType<typeof generateKeyPair>>
  let urls: [ahead: string, behind: string]
  const clients: StreamClient[] = []

  before(async () => {
    opened = await openTestDatabase()
    keys = await generateKeyPair('RS256', { extractable: true })
    const env = {
      AUTH_MODE: 'jwt',
      JWT_ISSUER: 'https://issuer.example',
      JWT_AUDIENCE: 'comanda',
      JWT_PUBLIC_KEY: await exportSPKI(keys.publicKey),
      RATE_LIMIT_PER_MINUTE: String(RATE_LIMIT),
    }
    const start = async (skewMs: number) => {
      const child = startSkewed('api', opened.url, skewMs, env)
      return (await child.untilOutput(/"url":"(http:[^"]+)"/))[1] ?? expect.fail('no URL')
    }
    urls = [await start(50 * DAY_MS), await start(-50 * DAY_MS)]
  })
  after(async () => {
    for (const client of clients) client.close()
    killChildren()
    await opened.close()
  })

  /** @param seconds until the token expires, by the clock of the issuer, which is right */
  async function token(sub: string, seconds = 300): Promise<string> {
    return await new SignJWT({ scope: scopes.join(' ') })
      .setProtectedHeader({ alg: 'RS256' })
      .setIssuer('https://issuer.example')
      .setAudience('comanda')
      .setSubject(sub)
      .setExpirationTime(Math.floor(Date.now() / 1_000) + seconds)
      .sign(keys.privateKey)
  }

  it('accept a token until it expires by the clock of the database', async () => {
    for (const url of urls) {
      for (const [seconds, status] of [
        [TOLERANCE_SECONDS, 200],
        [-TOLERANCE_SECONDS, 401],
      ] as const) {
        const api = new ApiClient(url, await token('till-1', seconds))
        expect((await api.call('GET', '/api/v1/restaurants')).status).to.equal(status)
      }
    }
  })

  it('count the requests of a client together, and reset the count within a minute', async () => {
    const key = await token('till-2')
    const apis = urls.map(url => new ApiClient(url, key))
    for (let left = RATE_LIMIT - 1; left >= -3; left--) {
      const reply = await apis[left & 1]?.call('GET', '/api/v1/restaurants')
      const [, remaining, seconds] = /;r=(\d+);t=(\d+)$/.exec(reply?.headers.get('ratelimit') ?? '') ?? []
      expect(Number(remaining)).to.equal(Math.max(0, left))
      expect(Number(seconds)).to.be.within(1, 60)
      expect(reply?.status).to.equal(left < 0 ? 429 : 200)
      if (left < 0) expect(Number(reply?.headers.get('retry-after'))).to.be.within(1, 60)
    }
  })

  it('resume a stream at the other process, without a snapshot', async () => {
    const key = await token('till-3')
    const menu = await addMenu(opened.database, 100)
    const follow = async (url: string, lastId?: string): Promise<StreamClient> => {
      const client = await StreamClient.open(`${url}/api/v1/restaurants/${menu.restaurant_id}/stream`, {
        authorization: `Bearer ${key}`,
        ...(lastId === undefined ? {} : { 'last-event-id': lastId }),
      })
      clients.push(client)
      return client
    }
    for (const [from, to] of [urls, urls.toReversed()] as [string, string][]) {
      const client = await follow(from)
      await client.untilEvents(1)
      client.close()
      const order = await place(opened.database, menu)
      const [first] = await (await follow(to, client.lastId)).untilEvents(1)
      expect(first?.event).to.equal('order.placed.v1')
      expect(first?.data).to.include({ subject: `orders/${order}` })
    }
  })
})

describe('a worker 50 days ahead', () => {
  let opened: Awaited<ReturnType<typeof openTestDatabase>>

  before(async () => {
    opened = await openTestDatabase()
  })
  after(async () => {
    killChildren()
    await opened.close()
  })

  it('prunes no event, key or record of today', async () => {
    const { database, url } = opened
    const rows = async () =>
      await database.query<{ count: number }>(
        `select count(*)::integer as count from outbox_events
        union all select count(*)::integer from idempotency_keys
        union all select count(*)::integer from processed_events
        union all select count(*)::integer from job_trials
        union all select count(*)::integer from rate_limits`,
      )
    await database.execute(
      `insert into outbox_events (event_id, restaurant_id, type, payload, dispatched_at)
      select uuidv7(), gen_random_uuid(), 'order.placed.v1', '{}', now() from generate_series(1, 20)`,
    )
    await database.execute(
      `insert into processed_events (event_id, consumer, restaurant_id)
      select event_id, 'inventory.deduct', restaurant_id from outbox_events`,
    )
    await database.execute(
      `insert into idempotency_keys (caller, key, fingerprint, status, headers, body)
      select 'anyone', number::text, '', 200, '{}', '{}' from generate_series(1, 20) as number`,
    )
    await database.execute(
      `insert into job_trials (queue, job_id, alone) values ('order.prepare', gen_random_uuid(), false)`,
    )
    await database.execute(
      `insert into rate_limits values ('a', 1, extract(epoch from now() + interval '1 minute') * 1000)`,
    )
    const boss = await startBoss(database, 'producer', 'test', quiet)
    await boss.send('maintenance.prune', {})
    await boss.stop()
    const before = await rows()
    const worker = startSkewed('worker', url, 50 * DAY_MS)
    await worker.untilOutput(/deleted expired rows/)
    expect(await rows()).to.deep.equal(before)
  })
})
