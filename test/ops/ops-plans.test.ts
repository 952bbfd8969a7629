import { expect } from 'chai'
import pg from 'pg'
import type { Database } from '../../src/db/database.ts'
import type { Tx } from '../../src/db/transaction.ts'
import { Cursors } from '../../src/http/cursor.ts'
import { previewAction } from '../../src/ops/actions/actions.ts'
import { opsRoutes } from '../../src/ops/api/ops-routes.ts'
import { ANYONE } from '../../src/platform/caller.ts'
import { orderCode } from '../../src/platform/order-code.ts'
import { fillTables } from '../bench/fill-tables.ts'
import { fillWebhooks } from '../bench/fill-webhooks.ts'
import { openTestDatabase } from '../support/system.ts'

interface Reads {
  name: string
  scanned: number
  fetched: number
}

const ORDERS = 5_000
const DEAD_LETTERS = 5_000
/** Rows that a story may read: `ops.stuck_orders` searches a bounded number of latest orders. */
const MAX_READ = 10_000
/** Dead letters that a statement about others may read; the wrong index reads all of them. */
const MAX_OTHERS = 1_000
const LARGE = [
  'orders',
  'order_transitions',
  'stock_movements',
  'webhook_deliveries',
  'webhook_attempts',
  'dead_letters',
]

describe('the statements of the pages for operators, on filled tables', () => {
  let database: Database
  let url: string
  let close: () => Promise<void>
  let ids: Record<string, string>

  before(async () => {
    const test = await openTestDatabase()
    ;({ database, url, close } = test)
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await fillTables(client, ORDERS)
    await fillWebhooks(client)
    await client.query(`update orders set customer_id = 'customer-' || right(order_id::text, 6)`)
    await client.query(
      `insert into dead_letters (dead_letter_id, queue, job_id, event_id, order_id, event_type, error, attempts, first_queued_at, dead_at)
      select uuidv7(), 'inventory.deduct', event_id, event_id, order_id, type, '{"message":"broken"}', 13, now(), now() - row_number() over () * interval '1 s'
      from outbox_events where type = 'order.placed.v1' limit ${DEAD_LETTERS}`,
    )
    await client.query('vacuum analyze')
    const { rows } = await client.query<Record<string, string>>(
      `select o.order_id, o.customer_id, e.event_id, d.delivery_id, l.dead_letter_id
      from orders as o
      join outbox_events as e using (order_id)
      join webhook_deliveries as d using (event_id)
      join dead_letters as l on l.order_id = o.order_id
      order by o.order_id
      limit 1`,
    )
    ids = rows[0] ?? {}
    await client.end()
  })
  after(() => close())

  /**
   * Returns what the transaction has read. Postgres adds the figures of a connection to its
   * statistics at most once per second, and until then counts them for the next transaction too:
   * they are added at the end of this one.
   */
  async function readsIn(tx: Tx): Promise<Reads[]> {
    const reads = await tx.query<Reads>(
      `select relname as name, coalesce(seq_tup_read, 0)::integer as scanned, coalesce(idx_tup_fetch, 0)::integer as fetched
      from pg_stat_xact_user_tables`,
    )
    await tx.query('select pg_stat_force_next_flush()')
    return reads
  }

  /** Returns how many dead letters were read. */
  function lettersIn(reads: Reads[]): number {
    const letters = reads.find(({ name }) => name === 'dead_letters')
    return (letters?.scanned ?? 0) + (letters?.fetched ?? 0)
  }

  /** Serves a request, and returns how many rows its statements read of each table, and how. */
  async function readsOf(path: string): Promise<Reads[]> {
    let reads: Reads[] = []
    const counted = {
      transaction: async <T>(work: (tx: Tx) => Promise<T>) =>
        await database.transaction(async tx => {
          const result = await work(tx)
          reads = await readsIn(tx)
          return result
        }),
    }
    const cursors = await Cursors.open(database)
    const [pathname = '', querystring = ''] = path.split('?')
    const [, order_id = ''] = /^\/orders\/(.+)$/.exec(pathname) ?? []
    const template = order_id ? '/orders/{order_id}' : pathname
    const route = opsRoutes({ database: counted as unknown as Database, cursors }).find(
      each => each.path === `/api/v1/ops${template}`,
    )
    await route?.serve({
      params: order_id ? { order_id } : {},
      path,
      querystring,
      body: undefined,
      trace: { request_id: 'test' },
      caller: ANYONE,
      idempotencyKey: undefined,
      conditions: { ifMatch: undefined, ifNoneMatch: undefined } as never,
      lastEventId: undefined,
      servedSlots: undefined,
    })
    return reads
  }

  const isLarge = (name: string) =>
    LARGE.includes(name) || name.startsWith('outbox_events') || /^j[0-9a-f]/.test(name)

  async function expectIndexed(path: string, maxRead: number): Promise<void> {
    const reads = (await readsOf(path)).filter(({ name }) => isLarge(name))
    expect(reads, path).not.to.deep.equal([])
    expect(
      reads.filter(({ scanned }) => scanned > 0),
      path,
    ).to.deep.equal([])
    const read = reads.reduce((sum, { fetched }) => sum + fetched, 0)
    expect(read, path).to.be.at.most(maxRead)
  }

  it('find everything by an index', async () => {
    const { order_id = '', customer_id = '', event_id = '', delivery_id = '', dead_letter_id = '' } = ids
    for (const q of [order_id, orderCode(order_id), customer_id, event_id, delivery_id, dead_letter_id])
      await expectIndexed(`/search?q=${q}`, 100)
  })

  it('read one page of a list, whatever the tables hold', async () => {
    for (const path of [
      '/jobs?queue=inventory.deduct',
      '/jobs?queue=inventory.deduct&state=completed',
      '/jobs?queue=inventory.deduct&state=failed',
      '/jobs?queue=inventory.deduct&state=retry',
      '/dead-letters?type=order.placed.v1',
      '/dead-letters?queue=order.reject',
      '/dead-letters?fate=REDRIVEN',
    ])
      await expectIndexed(path, 200)
  })

  it('read the story of an order by its id', async () => {
    const { order_id = '' } = ids
    await expectIndexed(`/orders/${order_id}`, MAX_READ)
  })

  it('read no dead letter of another decision, also when all have the same', async () => {
    // On a connection of its own, because the reads of an update count as well.
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query(`update dead_letters set fate = 'REDRIVEN', fate_at = now(), redriven_job_id = job_id`)
    await client.query('vacuum analyze dead_letters')
    await client.end()
    for (const path of [
      '/dead-letters',
      '/dead-letters?fate=DISCARDED',
      '/dead-letters/groups',
      '/dead-letters/groups?error=broken',
      '/dead-letters/groups?queue=inventory.deduct',
      '/overview',
    ])
      expect(lettersIn(await readsOf(path)), path).to.be.at.most(MAX_OTHERS)
    for (const filter of [{}, { error: 'broken' }, { queue: 'inventory.deduct' }]) {
      const reads = await database.transaction(async tx => {
        await previewAction(tx, { kind: 'dead-letters.redrive', filter })
        return await readsIn(tx)
      })
      expect(lettersIn(reads), JSON.stringify(filter)).to.be.at.most(MAX_OTHERS)
    }
  })
})
