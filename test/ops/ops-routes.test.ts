import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { v7 as uuidv7 } from 'uuid'
import { orderCode } from '../../src/platform/order-code.ts'
import type { Reply } from '../support/api-client.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { Receiver } from '../webhooks/receivers.ts'
import { addDeadLetter, quarantine } from './incidents.ts'

const runbook = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'operations.md'), 'utf8')

/** As if the quarantined events had been dispatched. */
const RELEASE =
  'update outbox_events set quarantined_at = null, error = null, dispatched_at = now() where quarantined_at is not null'

type Row = Record<string, unknown>

interface Overview {
  as_of: string
  guarantees: Row
  problems: { problem: string; text: string; see: string | null; runbook: string }[]
  queues: Row[]
  processes: Row[]
  webhooks: Row
}

interface Story {
  order: Row
  stuck: Row[]
  entries: { kind: string; what: string; details: Row | null; error: string | null }[]
  sql: string[]
}

describe('the operations for operators', () => {
  let system: TestSystem
  let receiver: Receiver
  let restaurant_id: string
  let menu_item_id: string
  let webhook_id: string

  before(async () => {
    system = await startSystem(undefined, undefined, { WEBHOOK_ALLOW_PRIVATE: true })
    receiver = await Receiver.start()
    ;({ restaurant_id } = await system.api.addRestaurant())
    ;({ menu_item_id } = await system.api.addItem(restaurant_id, 1_000))
    const hook = await system.api.call('POST', '/api/v1/webhooks', { url: receiver.url })
    webhook_id = String(hook.body['webhook_id'])
  })
  after(async () => {
    await system.stop()
    await receiver.stop()
  })

  const get = <Body>(path: string) => system.api.call<Body>('GET', `/api/v1/ops${path}`)
  async function read<Body>(path: string): Promise<Body> {
    const { status, body } = await get<Body>(path)
    expect(status, JSON.stringify(body)).to.equal(200)
    return body
  }

  async function placed(): Promise<string> {
    const { order_id } = await system.api.place(restaurant_id, [menu_item_id, 1])
    await system.api.untilStatus(order_id, 'PREPARING')
    return order_id
  }

  /** Follows the links of a list to its end. */
  async function walk(path: string): Promise<Row[]> {
    const rows: Row[] = []
    for (let next: string | undefined = `/api/v1/ops${path}`; next !== undefined; ) {
      const reply: Reply<Row[]> = await system.api.call<Row[]>('GET', next)
      expect(reply.status, JSON.stringify(reply.body)).to.equal(200)
      rows.push(...reply.body)
      next = /<([^>]+)>; rel="next"/.exec(reply.headers.get('link') ?? '')?.[1]
    }
    return rows
  }

  it('show the same problems as npm run ops -- status, each with an entry in the runbook', async () => {
    await until('the processes have sent a heartbeat', async () => {
      const { processes } = await read<Overview>('/overview')
      return ['api', 'dispatcher', 'worker'].every(role =>
        processes.some(process => process['role'] === role && process['state'] === 'LIVE'),
      )
    })
    const well = await read<Overview>('/overview')
    expect(well.problems).to.deep.equal([])
    expect(well.guarantees).to.deep.equal({ stock_differing: 0, lost_orders: 0, failed_statistics: 0 })
    expect(well.webhooks).to.include({ active: 1, failing: 0 })
    expect(Date.parse(well.as_of)).to.be.closeTo(Date.now(), 60_000)

    const order = await placed()
    await addDeadLetter(system.database, 'inventory.deduct', order)
    await quarantine(system.database, order)
    await system.database.execute(
      `insert into paused_queues (queue, actor, reason) values ('order.reject', 'ada', 'x')`,
    )
    await system.database.execute(
      `insert into held_queues (queue, counted_at) values ('order.prepare', now())`,
    )
    await system.database.execute('update menu_items set available_qty = available_qty - 1')
    const ill = await read<Overview>('/overview')
    expect(ill.problems.map(({ problem }) => problem)).to.deep.equal([
      'stuck-orders',
      'dead-letters',
      'quarantined-events',
      'stock-differs',
      'paused-queues',
      'full-queues',
    ])
    const headings = [...runbook.matchAll(/^### (.+)$/gm)].map(([, text = '']) =>
      text.toLowerCase().replaceAll(' ', '-'),
    )
    for (const { runbook: anchor } of ill.problems) expect(headings).to.include(anchor)
    expect(ill.queues.find(({ queue }) => queue === 'order.reject')?.['paused_at']).to.be.a('string')
    expect(ill.queues.find(({ queue }) => queue === 'inventory.deduct')?.['dead_letters']).to.be.above(0)
    for (const statement of [
      'delete from dead_letters',
      'delete from paused_queues',
      'delete from held_queues',
      RELEASE,
      'update menu_items set available_qty = available_qty + 1',
    ])
      await system.database.execute(statement)
  })

  it('find an order by id, code and customer, and by its events, jobs and deliveries', async () => {
    const { body } = await system.api.call<{ order_id: string }>('POST', '/api/v1/orders', {
      restaurant_id,
      items: [{ menu_item_id, quantity: 1 }],
      customer_id: 'Frau Müller & Söhne',
    })
    const { order_id } = body
    await system.api.untilStatus(order_id, 'PREPARING')
    await addDeadLetter(system.database, 'inventory.deduct', order_id)
    const [ids] = await until('a delivery is written', async () => {
      const rows = await system.database.query<Record<string, string>>(
        `select e.event_id, d.delivery_id, l.dead_letter_id
        from outbox_events as e
        join webhook_deliveries as d using (event_id)
        join dead_letters as l on l.event_id = e.event_id
        where e.order_id = $1 and e.type = 'order.placed.v1'`,
        [order_id],
      )
      return rows.length > 0 && rows
    })
    const code = orderCode(order_id)
    const search = (q: string) => read<Row[]>(`/search?q=${encodeURIComponent(q)}`)
    const kinds = async (q: string) =>
      (await search(q)).filter(row => row['order_id'] === order_id).map(({ kind }) => kind)
    for (const q of [order_id, order_id.toUpperCase(), code, code.toLowerCase(), 'Frau Müller & Söhne']) {
      expect(await kinds(q), q).to.deep.equal(['ORDER'])
      expect((await search(q)).find(row => row['order_id'] === order_id)).to.include({ code })
    }
    // The first job of an event has its id.
    expect(await kinds(ids?.['event_id'] ?? '')).to.have.members(['EVENT', 'JOB', 'DEAD_LETTER'])
    expect(await kinds(ids?.['delivery_id'] ?? '')).to.deep.equal(['DELIVERY'])
    expect(await kinds(ids?.['dead_letter_id'] ?? '')).to.deep.equal(['DEAD_LETTER'])
    expect((await search(webhook_id))[0]).to.include({ kind: 'WEBHOOK', order_id: null })
    for (const q of [uuidv7(), 'ÄÖÜ', 'nobody']) expect(await search(q), q).to.deep.equal([])
    expect((await get('/search')).status).to.equal(400)
  })

  it('tell the whole story of an order, with the SQL behind it', async () => {
    receiver.answer = () => ({ status: 204, body: 'thanks' })
    const order_id = await placed()
    await until('an answer is recorded', async () => {
      const { entries } = await read<Story>(`/orders/${order_id}`)
      return entries.some(({ details }) => details?.['status'] === 204)
    })
    const story = await read<Story>(`/orders/${order_id}`)
    expect(story.order).to.include({ order_id, code: orderCode(order_id), status: 'PREPARING' })
    const kinds = new Set(story.entries.map(({ kind }) => kind))
    expect([...kinds]).to.include.members(['TRANSITION', 'EVENT', 'JOB', 'MOVEMENT', 'DELIVERY'])
    for (const statement of story.sql) {
      const rows = await system.database.query(statement)
      if (statement.includes('order_timeline')) expect(rows).to.have.lengthOf(story.entries.length)
    }
    expect(story.stuck).to.deep.equal([])
    expect((await get(`/orders/${uuidv7()}`)).status).to.equal(404)
  })

  it('list the jobs of a queue, newest first, in pages and by state', async () => {
    for (let count = 0; count < 5; count++) await placed()
    await system.database.execute(
      `insert into pgboss.job (name, state, data, start_after, policy, created_on)
      select 'order.reject', case when n % 2 = 0 then 'retry' else 'failed' end::pgboss.job_state,
        jsonb_build_object('type', 'order.placed.v1'), now() + interval '1 hour', 'exclusive', now() - n * interval '1 minute'
      from generate_series(1, 7) as n`,
    )
    const stored = async (condition: string, order: string) =>
      (
        await system.database.query<Row>(
          `select id from pgboss.job where ${condition} order by ${order} desc, id desc`,
        )
      ).map(({ id }) => id)
    const listed = async (query: string) => (await walk(`/jobs?limit=3&${query}`)).map(row => row['job_id'])
    expect(await listed('queue=order.reject')).to.deep.equal(
      await stored(`name = 'order.reject'`, 'created_on'),
    )
    expect(await listed('queue=order.reject&state=retry')).to.deep.equal(
      await stored(`name = 'order.reject' and state = 'retry'`, 'start_after'),
    )
    await until('the jobs are done', async () => {
      const done = await stored(`name = 'inventory.deduct' and state = 'completed'`, 'completed_on')
      return done.length >= 5
    })
    expect(await listed('queue=inventory.deduct&state=completed')).to.deep.equal(
      await stored(`name = 'inventory.deduct' and state = 'completed'`, 'completed_on'),
    )
    expect(await listed('queue=order.reject&since=2099-01-01T00:00:00Z')).to.deep.equal([])
    expect(await read<Row[]>('/jobs?queue=nothing')).to.deep.equal([])
    await system.database.execute(`delete from pgboss.job where name = 'order.reject'`)
  })

  it('list and count dead letters by queue, type, error and time', async () => {
    await system.database.execute('delete from dead_letters')
    await system.database.execute(
      `insert into dead_letters (dead_letter_id, queue, job_id, event_id, event_type, error, attempts, first_queued_at, dead_at, fate, fate_at)
      select uuidv7(), case when n % 2 = 0 then 'order.reject' else 'inventory.deduct' end, uuidv7(), uuidv7(),
        'order.placed.v1', jsonb_build_object('message', case when n % 3 = 0 then 'Timeout' else 'broken' end), 13, now(),
        '2026-01-01T00:00:00Z'::timestamptz + n / 2 * interval '1 hour', case when n > 10 then 'DISCARDED' else 'OPEN' end,
        case when n > 10 then now() end
      from generate_series(1, 12) as n`,
    )
    const stored = async (condition: string) =>
      (
        await system.database.query<Row>(
          `select dead_letter_id from dead_letters where ${condition} order by dead_at desc, dead_letter_id desc`,
        )
      ).map(row => row['dead_letter_id'])
    const filters = {
      '': `fate = 'OPEN'`,
      'queue=order.reject': `fate = 'OPEN' and queue = 'order.reject'`,
      'type=order.placed.v1': `fate = 'OPEN'`,
      'type=order.cancelled.v1': 'false',
      'error=TIMEOUT': `fate = 'OPEN' and error ->> 'message' = 'Timeout'`,
      'since=2026-01-01T02:00:00Z&until=2026-01-01T04:00:00Z': `fate = 'OPEN' and dead_at between '2026-01-01T02:00:00Z' and '2026-01-01T03:59:59Z'`,
    }
    for (const [query, condition] of Object.entries(filters)) {
      const rows = await walk(`/dead-letters?limit=3&${query}`)
      expect(
        rows.map(row => row['dead_letter_id']),
        query,
      ).to.deep.equal(await stored(condition))
      const counts = await read<{ matching: number; groups: Row[] }>(`/dead-letters/groups?${query}`)
      expect(counts.matching, query).to.equal(rows.length)
      const sum = counts.groups.reduce((total, group) => total + Number(group['dead_letters']), 0)
      expect(sum, query).to.equal(rows.length)
    }
    const discarded = await walk('/dead-letters?fate=DISCARDED')
    expect(discarded.map(row => row['fate'])).to.deep.equal(['DISCARDED', 'DISCARDED'])
    await system.database.execute('delete from dead_letters')
  })

  it('list quarantined events by type, error and time', async () => {
    const orders = [await placed(), await placed(), await placed()]
    for (const order of orders) await quarantine(system.database, order)
    const all = await walk('/quarantined-events?limit=2')
    expect(all.map(row => row['order_id'])).to.have.members(orders)
    expect(await walk('/quarantined-events?type=order.placed.v1&error=READ')).to.have.lengthOf(3)
    expect(await walk('/quarantined-events?error=other')).to.deep.equal([])
    expect(await walk('/quarantined-events?until=2026-01-01T00:00:00Z')).to.deep.equal([])
    await system.database.execute(RELEASE)
  })

  it('list webhooks with their state and last answers', async () => {
    receiver.answer = () => ({ status: 500, body: 'out of paper' })
    await placed()
    const [webhook] = await until('the webhook fails', async () => {
      const rows = await read<Row[]>('/webhooks')
      return typeof rows[0]?.['failing_since'] === 'string' && rows
    })
    expect(webhook).to.include({ webhook_id, status: 'ACTIVE', last_status: 500 })
    const answers = webhook?.['last_answers'] as Row[]
    expect(answers[0]).to.include({ status: 500, answer: 'out of paper' })
    expect(await read<Row[]>('/webhooks?host=elsewhere')).to.deep.equal([])
  })
})
