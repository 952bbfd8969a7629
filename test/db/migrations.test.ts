import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import pg from 'pg'
import type { QueryRunner } from 'typeorm'
import { StoreCurrencyDecimals1796100000000 } from '../../migrations/1796100000000-store-currency-decimals.ts'
import { WidenStock1796200000000 } from '../../migrations/1796200000000-widen-stock.ts'
import { KeepWebhookSecrets1796300000000 } from '../../migrations/1796300000000-keep-webhook-secrets.ts'
import { AddTimeZones1796400000000 } from '../../migrations/1796400000000-add-time-zones.ts'
import { CountQuarterHours1796410000000 } from '../../migrations/1796410000000-count-quarter-hours.ts'
import { KeepLowStock1796500000000 } from '../../migrations/1796500000000-keep-low-stock.ts'
import { RecordReasonCodes1796510000000 } from '../../migrations/1796510000000-record-reason-codes.ts'
import {
  BoundEvents1796805000000,
  PartitionEvents1796810000000,
} from '../../migrations/1796810000000-partition-events.ts'
import { MarkOrdersReady1796900000000 } from '../../migrations/1796900000000-mark-orders-ready.ts'
import { NameWhoChangedOrders1796910000000 } from '../../migrations/1796910000000-name-who-changed-orders.ts'
import { ReturnToTheMenu1797010000000 } from '../../migrations/1797010000000-return-to-the-menu.ts'
import { projectStats } from '../../src/analytics/project-stats.ts'
import { columnsSql, recountSql } from '../../src/analytics/stats-sql.ts'
import type { Database } from '../../src/db/database.ts'
import { migrateDown, migrateUp, pendingMigrations } from '../../src/db/migrations.ts'
import { maintainPartitions } from '../../src/ops/maintenance/maintain-partitions.ts'
import { partitionsOf } from '../../src/ops/maintenance/partitions.ts'
import { createViews } from '../../src/ops/refresh-views.ts'
import { migrate } from '../../src/processes/migrate.ts'
import { expectInvariants } from '../support/invariants.ts'
import { quiet } from '../support/log.ts'
import { addMenu, cancel, deduct, place, prepare, setReady, setStatus } from '../support/pipeline.ts'
import { blankDatabase } from '../support/postgres.ts'
import { openPool, openTestDatabase, startSystem } from '../support/system.ts'

describe('migrations', () => {
  it('produce the same schema when run, reverted and run again', async () => {
    const { url, drop } = await blankDatabase()
    const database = await openPool(url)
    try {
      expect(await pendingMigrations(database)).to.not.deep.equal([])
      const first = await migrateUp(url)
      expect(first).to.not.deep.equal([])
      expect(await pendingMigrations(database)).to.deep.equal([])
      const schema = await describeSchema()
      expect(await migrateUp(url)).to.deep.equal([])

      await migrateDown(url)
      expect(await describeSchema()).to.deep.equal([])
      expect(await pendingMigrations(database)).to.deep.equal(first)

      expect(await migrateUp(url)).to.deep.equal(first)
      expect(await describeSchema()).to.deep.equal(schema)
    } finally {
      await database.close()
      await drop()
    }

    async function describeSchema(): Promise<unknown[]> {
      return await database.query(
        `select c.relname, a.attname, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull,
          (select array_agg(pg_get_constraintdef(k.oid) order by k.conname) from pg_constraint as k where k.conrelid = c.oid) as constraints,
          (select array_agg(pg_get_indexdef(i.indexrelid) order by i.indexrelid::regclass::text) from pg_index as i where i.indrelid = c.oid) as indexes
        from pg_class as c
        join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and c.relname <> 'schema_migrations'
        order by c.relname, a.attnum`,
      )
    }
  })

  it('change a column that the `ops` views read, and recreate the views', async () => {
    const { url, drop } = await blankDatabase()
    const database = await openPool(url)
    try {
      await migrate(url, quiet)
      await database.execute(`delete from schema_migrations where name = 'WidenEventSequences1795827600000'`)
      await migrate(url, quiet)
      expect(await database.query('select 1 from ops.webhooks')).to.deep.equal([])

      await new PartitionEvents1796810000000().down(runnerOf(database))
      await new BoundEvents1796805000000().down(runnerOf(database))
      await createViews(database)
      await database.execute(
        `delete from schema_migrations where name in ('PartitionEvents1796810000000', 'BoundEvents1796805000000')`,
      )
      await migrate(url, quiet)
      expect(await database.query('select pending from ops.outbox')).to.deep.equal([{ pending: 0 }])
      expect(await partitionsOf(database, 'outbox_events')).to.have.lengthOf.within(3, 4)
    } finally {
      await database.close()
      await drop()
    }
  })

  it('carry stock and its ledger over when their numbers become 64 bits wide', async () => {
    const { url, drop } = await blankDatabase()
    const database = await openPool(url)
    try {
      await migrateUp(url)
      const widen = new WidenStock1796200000000()
      const keepLow = new KeepLowStock1796500000000()
      await keepLow.down(runnerOf(database))
      await widen.down(runnerOf(database))
      const [restaurant_id, menu_item_id] = [randomUUID(), randomUUID()]
      await insertRestaurant(database, restaurant_id, 'EUR')
      await database.execute(
        `insert into menu_items (menu_item_id, restaurant_id, name, price_minor, available_qty)
        values ($1, $2, 'Pizza', 950, 2147483647)`,
        [menu_item_id, restaurant_id],
      )
      await database.execute(
        `insert into stock_movements (movement_id, restaurant_id, menu_item_id, kind, delta)
        values (uuidv7(), $1, $2, 'INITIAL', 2147483647)`,
        [restaurant_id, menu_item_id],
      )
      await widen.up(runnerOf(database))
      await keepLow.up(runnerOf(database))
      await database.execute('update menu_items set available_qty = available_qty + 1')
      const stored = await database.query(
        'select available_qty, delta from menu_items join stock_movements using (menu_item_id)',
      )
      expect(stored).to.deep.equal([{ available_qty: 2_147_483_648, delta: 2_147_483_647 }])
    } finally {
      await database.close()
      await drop()
    }
  })

  it('mark existing items at or below their threshold as low, and keep the mark for old processes', async () => {
    const { url, drop } = await blankDatabase()
    const database = await openPool(url)
    const add = async (name: string, qty: number, threshold: number | null) =>
      await database.execute(
        `insert into menu_items (menu_item_id, restaurant_id, name, price_minor, available_qty, low_stock_threshold)
        select uuidv7(), restaurant_id, $1, 950, $2, $3 from restaurants`,
        [name, qty, threshold],
      )
    const lowItems = async () =>
      await database.query(
        `select name, low_since = updated_at as since_last_change from menu_items where low_since is not null order by name`,
      )
    try {
      await migrateUp(url)
      const migration = new KeepLowStock1796500000000()
      await migration.down(runnerOf(database))
      await insertRestaurant(database, randomUUID(), 'EUR')
      await add('above', 4, 3)
      await add('at', 3, 3)
      await add('below', 2, 3)
      await add('without threshold', 0, null)
      await migration.up(runnerOf(database))
      expect(await lowItems()).to.deep.equal([
        { name: 'at', since_last_change: true },
        { name: 'below', since_last_change: true },
      ])
      expect(await database.query('select 1 from outbox_events')).to.deep.equal([])
      await add('new', 0, 0)
      await database.execute(
        `update menu_items set available_qty = case name when 'above' then 3 else 9 end
        where name in ('above', 'below')`,
      )
      const names = (await lowItems()).map(item => (item as { name: string }).name)
      expect(names).to.deep.equal(['above', 'at', 'new'])
    } finally {
      await database.close()
      await drop()
    }
  })

  it('keep inactive items inactive, and let processes of before activate items that have a return', async () => {
    const { url, drop } = await blankDatabase()
    const database = await openPool(url)
    const restaurant_id = randomUUID()
    const rows = async () =>
      await database.query(
        `select r.deactivated_at is null as open, r.inactive_until as closed_until, i.name,
          i.deactivated_at is null as active, i.inactive_until, i.inactive_reason
        from restaurants as r join menu_items as i using (restaurant_id) order by i.name`,
      )
    try {
      await migrateUp(url)
      const migration = new ReturnToTheMenu1797010000000()
      await migration.down(runnerOf(database))
      await insertRestaurant(database, restaurant_id, 'EUR')
      await database.execute('update restaurants set deactivated_at = now()')
      await database.execute(
        `insert into menu_items (menu_item_id, restaurant_id, name, price_minor, available_qty, deactivated_at)
        values (uuidv7(), $1, 'active', 950, 2, null), (uuidv7(), $1, 'inactive', 950, 2, now())`,
        [restaurant_id],
      )
      await migration.up(runnerOf(database))
      const none = { open: false, closed_until: null, inactive_until: null, inactive_reason: null }
      expect(await rows()).to.deep.equal([
        { ...none, name: 'active', active: true },
        { ...none, name: 'inactive', active: false },
      ])
      await database.execute(`update restaurants set inactive_until = now() + interval '1 hour'`)
      await database.execute(
        `update menu_items
        set deactivated_at = now(), inactive_until = now() + interval '1 hour', inactive_reason = 'x'`,
      )
      for (const table of ['restaurants', 'menu_items'])
        await database.execute(`update ${table} set deactivated_at = null`)
      expect(await rows()).to.deep.equal([
        { ...none, open: true, name: 'active', active: true },
        { ...none, open: true, name: 'inactive', active: true },
      ])
    } finally {
      await database.close()
      await drop()
    }
  })

  it('partition the tables of events with their rows while a process writes', async () => {
    const { url, drop } = await blankDatabase()
    const database = await openPool(url)
    const insert = async (age: string) =>
      await database.execute(
        `with event as (
          insert into outbox_events (event_id, restaurant_id, type, payload)
          values (uuidv7(interval '${age}'), gen_random_uuid(), 'order.placed.v1', '{}')
          returning event_id, restaurant_id
        )
        insert into processed_events (event_id, consumer, restaurant_id)
        select event_id, 'inventory.deduct', restaurant_id
        from event`,
      )
    const rowsIn = async (table: string) =>
      (await database.query<{ event_id: string }>(`select event_id from ${table}`)).map(row => row.event_id)
    try {
      await migrateUp(url)
      await new PartitionEvents1796810000000().down(runnerOf(database))
      await new BoundEvents1796805000000().down(runnerOf(database))
      await database.execute(
        `delete from schema_migrations where name in ('PartitionEvents1796810000000', 'BoundEvents1796805000000')`,
      )
      await database.execute('grant insert, select (event_id) on outbox_events to comanda_api')
      for (const age of ['-40 days', '-1 day', '0'])
        for (let count = 0; count < 50; count++) await insert(age)
      await insert('3 days')
      const before = await rowsIn('outbox_events')

      const writer = new AbortController()
      const writing = (async () => {
        let count = 0
        for (; !writer.signal.aborted; count++) await insert('0')
        return count
      })()
      expect(await migrateUp(url)).to.have.members([
        'BoundEvents1796805000000',
        'PartitionEvents1796810000000',
      ])
      writer.abort()
      const written = await writing
      expect(written).to.be.above(0)

      for (const table of ['outbox_events', 'processed_events'] as const) {
        const after = await rowsIn(table)
        expect(after).to.include.members(before)
        expect(after).to.have.lengthOf(before.length + written)
        expect(await rowsIn(`${table}_default`)).to.deep.equal(before.slice(-1))
        expect(await rowsIn(`${table}_first`)).to.have.lengthOf(after.length - 1)
        const [first, ...others] = await partitionsOf(database, table)
        expect(first?.name).to.equal(`${table}_first`)
        expect(others).to.deep.equal([])
      }
      await maintainPartitions(database, quiet)
      const [first, second] = await partitionsOf(database, 'outbox_events')
      expect(second?.from_at).to.deep.equal(first?.until_at)
      const [privileges] = await database.query(
        `select has_table_privilege('comanda_api', 'outbox_events', 'insert') as insert,
          has_column_privilege('comanda_api', 'outbox_events', 'event_id', 'select') as select,
          has_column_privilege('comanda_api', 'outbox_events', 'error', 'select') as other`,
      )
      expect(privileges).to.deep.equal({ insert: true, select: true, other: false })

      await new PartitionEvents1796810000000().down(runnerOf(database))
      expect(await rowsIn('outbox_events')).to.include.members(before)
    } finally {
      await database.close()
      await drop()
    }
  })

  it('make adjustments from before corrections, and require a known code for new ones', async () => {
    const { url, drop } = await blankDatabase()
    const database = await openPool(url)
    const [restaurant_id, menu_item_id] = [randomUUID(), randomUUID()]
    const move = async (kind: string, code?: string) =>
      await database.execute(
        `insert into stock_movements (movement_id, restaurant_id, menu_item_id, kind, delta${code ? ', reason_code' : ''})
        values (uuidv7(), $1, $2, $3, 1${code ? `, '${code}'` : ''})`,
        [restaurant_id, menu_item_id, kind],
      )
    try {
      await migrateUp(url)
      const migration = new RecordReasonCodes1796510000000()
      await migration.down(runnerOf(database))
      await insertRestaurant(database, restaurant_id, 'EUR')
      await database.execute(
        `insert into menu_items (menu_item_id, restaurant_id, name, price_minor, available_qty)
        values ($1, $2, 'Pizza', 950, 2)`,
        [menu_item_id, restaurant_id],
      )
      await move('INITIAL')
      await move('ADJUST')
      await migration.up(runnerOf(database))
      const ledger = 'select kind, reason_code from stock_movements order by movement_id'
      expect(await database.query(ledger)).to.deep.equal([
        { kind: 'INITIAL', reason_code: null },
        { kind: 'ADJUST', reason_code: 'CORRECTION' },
      ])
      await move('ADJUST', 'THEFT')
      for (const [kind, code, constraint] of [
        ['ADJUST', undefined, 'adjustments_have_a_reason_code'],
        ['INITIAL', 'WASTE', 'adjustments_have_a_reason_code'],
        ['ADJUST', 'WHIM', 'reason_codes_are_known'],
      ] as const)
        expect(await move(kind, code).catch(String), `${kind} ${code}`).to.include(constraint)
    } finally {
      await database.close()
      await drop()
    }
  })

  it('carry the secrets of existing webhooks over, there and back', async () => {
    const { url, drop } = await blankDatabase()
    await migrate(url, quiet)
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      const migration = new KeepWebhookSecrets1796300000000()
      const runner = client as unknown as QueryRunner
      await migration.down(runner)
      await client.query(
        `insert into webhooks (webhook_id, owner, url, event_types, type_patterns, secret, previous_secret, previous_secret_until, status)
        values (uuidv7(), 'rotated', 'https://a.example/', '{*}', '{%}', 'new', 'old', '2030-01-01Z', 'ACTIVE'),
          (uuidv7(), 'once', 'https://b.example/', '{*}', '{%}', 'only', null, null, 'ACTIVE'),
          (uuidv7(), 'deleted', 'https://c.example/', '{*}', '{%}', null, null, null, 'DELETED')`,
      )
      const old = `select owner, secret, previous_secret, previous_secret_until from webhooks order by owner`
      const before = (await client.query(old)).rows
      await migration.up(runner)
      const { rows } = await client.query(
        `select owner, secret, expires_at from webhook_secrets join webhooks using (webhook_id)
        order by owner, webhook_secrets.created_at`,
      )
      expect(rows).to.deep.equal([
        { owner: 'once', secret: 'only', expires_at: null },
        { owner: 'rotated', secret: 'old', expires_at: new Date('2030-01-01Z') },
        { owner: 'rotated', secret: 'new', expires_at: null },
      ])
      await migration.down(runner)
      expect((await client.query(old)).rows).to.deep.equal(before)
    } finally {
      await client.end()
      await drop()
    }
  })

  it('set existing restaurants, and those that the previous version adds, to the time zone UTC', async () => {
    const { url, drop } = await blankDatabase()
    const database = await openPool(url)
    try {
      await migrateUp(url)
      const migration = new AddTimeZones1796400000000()
      await migration.down(runnerOf(database))
      await insertRestaurant(database, randomUUID(), 'EUR')
      await migration.up(runnerOf(database))
      await insertRestaurant(database, randomUUID(), 'EUR')
      const zones = await database.query('select time_zone from restaurants')
      expect(zones).to.deep.equal([{ time_zone: 'UTC' }, { time_zone: 'UTC' }])
    } finally {
      await database.close()
      await drop()
    }
  })

  it('count orders by quarter hour whose events are pruned, and later events once', async () => {
    const { database, close } = await openTestDatabase()
    try {
      const menu = await addMenu(database, 20)
      const migration = new CountQuarterHours1796410000000()
      await migration.down(runnerOf(database))
      for (const [time, total] of [
        ['2026-11-20T10:14:59.999Z', '9223372036854775807'],
        ['2026-11-20T10:10:00Z', '9223372036854775807'],
        ['2026-11-20T10:50:00Z', '950'],
      ]) {
        const order = await place(database, menu)
        await database.execute('update orders set placed_at = $2, total_minor = $3 where order_id = $1', [
          order,
          time,
          total,
        ])
      }
      await database.execute('delete from outbox_events')
      const cancelled = await place(database, menu)
      await cancel(database, cancelled)
      await migration.up(runnerOf(database))
      await database.execute(
        'alter table restaurant_quarter_hours add ready_count bigint default 0, add ready_ms bigint default 0',
      )

      const recounted = await database.query(
        `select restaurant_id, quarter_hour, ${columnsSql} from (${recountSql()}) as recount order by 2`,
      )
      const countedSql = `select restaurant_id, quarter_hour, ${columnsSql} from restaurant_quarter_hours order by 2`
      expect(await database.query(countedSql)).to.deep.equal(recounted)
      const [first, second, third] = await database.query<Record<string, unknown>>(countedSql)
      expect([first, second]).to.containSubset([
        {
          quarter_hour: new Date('2026-11-20T10:00Z'),
          order_count: 2,
          revenue_minor: '18446744073709551614',
        },
        { quarter_hour: new Date('2026-11-20T10:45Z'), order_count: 1, revenue_minor: '950' },
      ])
      expect(third).to.include({ order_count: 1, cancellation_count: 1, revenue_minor: '0' })

      await place(database, menu)
      await database.transaction(tx => projectStats(tx, quiet))
      const [{ orders } = {}] = await database.query<{ orders: number }>(
        'select sum(order_count)::integer as orders from restaurant_quarter_hours',
      )
      expect(orders).to.equal(5)

      await migration.down(runnerOf(database))
      const hours = await database.query(
        'select order_count, revenue_minor::text from restaurant_hours order by hour',
      )
      expect(hours[0]).to.deep.equal({ order_count: 3, revenue_minor: '9223372036854775807' })
    } finally {
      await close()
    }
  })

  it('keep the history of existing orders, which then can become ready', async () => {
    const { url, database, close } = await openTestDatabase()
    try {
      const menu = await addMenu(database, 20)
      const orders = [await place(database, menu), await place(database, menu), await place(database, menu)]
      const [open = '', gone = '', cancelled = ''] = orders
      for (const order of [open, gone]) {
        await deduct(database, order)
        await prepare(database, order)
      }
      await setStatus(database, gone, 'OUT_FOR_DELIVERY')
      await cancel(database, cancelled)
      await database.transaction(tx => projectStats(tx, quiet))
      const history = 'select * from order_transitions order by order_id, seq'
      const before = await database.query(history)

      const migrations = [new MarkOrdersReady1796900000000(), new NameWhoChangedOrders1796910000000()]
      for (const migration of migrations.toReversed()) await migration.down(runnerOf(database))
      for (const migration of migrations) await migration.up(runnerOf(database))
      await migrate(url, quiet)

      expect(await database.query(history)).to.deep.equal(before)
      expect(await database.query('select distinct ready_at from orders')).to.deep.equal([{ ready_at: null }])
      await setReady(database, open)
      const violations = [
        `update order_transitions set fact = null where fact = 'READY'`,
        `update order_transitions set fact = 'READY' where seq = 1`,
        `update order_transitions set fact = 'BURNT' where fact = 'READY'`,
        `insert into order_transitions (order_id, restaurant_id, seq, from_status, to_status, actor, at)
        select order_id, restaurant_id, 9, to_status, to_status, actor, at from order_transitions limit 1`,
        `update orders set ready_at = now(), status = 'PLACED' where ready_at is not null`,
      ]
      for (const violation of violations) {
        const error = await database.execute(violation).catch(String)
        expect(error, violation).to.match(/check constraint/)
      }
      await expectInvariants(database)
    } finally {
      await close()
    }
  })

  it('can run in several processes at once', async () => {
    const { url, drop } = await blankDatabase()
    const database = await openPool(url)
    try {
      await Promise.all([migrate(url, quiet), migrate(url, quiet), migrate(url, quiet)])
      expect(await pendingMigrations(database)).to.deep.equal([])
      const queues = await database.query('select name from pgboss.queue')
      expect(queues.length).to.be.above(3)
    } finally {
      await database.close()
      await drop()
    }
  })

  it('preserve the meaning of amounts when the decimals of currencies become those of ISO 4217', async () => {
    const system = await startSystem(['api'])
    const { api, database } = system
    try {
      await new StoreCurrencyDecimals1796100000000().down(runnerOf(database))
      const old = await addWithoutDecimals('HUF', 2500)
      const dinar = await addWithoutDecimals('IQD', 2500)
      const yen = await addWithoutDecimals('JPY', 2500)
      const euro = await addWithoutDecimals('EUR', 2500)
      const oldOrder = await orderWithoutDecimals(old)
      await database.execute(
        `delete from schema_migrations where name = 'StoreCurrencyDecimals1796100000000'`,
      )
      await migrateUp(system.url)

      expect(await priceOf(old)).to.equal('2500')
      expect(await priceOf(dinar)).to.equal('2500')
      expect(await priceOf(yen)).to.equal('2500')
      expect(await priceOf(euro)).to.equal('25.00')
      expect(await amountsOf(oldOrder)).to.deep.equal(['2500', '2500', '2500'])

      const { restaurant_id } = await api.addRestaurant('HUF')
      const { menu_item_id } = await api.addItem(restaurant_id, 10, '2500')
      expect(await priceOf({ restaurant_id, menu_item_id })).to.equal('2500.00')
      for (const [menu, amount] of [
        [old, '2500'],
        [{ restaurant_id, menu_item_id }, '2500.00'],
      ] as const) {
        const placed = await api.place(menu.restaurant_id, [menu.menu_item_id, 1])
        expect(placed.total_amount).to.equal(amount)
        expect(await amountsOf(placed.order_id)).to.deep.equal([amount, amount, amount])
        const [event] = await database.query<{ amount: string }>(
          `select payload->>'total_amount' as amount from outbox_events where order_id = $1`,
          [placed.order_id],
        )
        expect(event).to.deep.equal({ amount })
        expect((await api.cancel(placed.order_id)).total_amount).to.equal(amount)
        const changed = await api.call('PATCH', `/api/v1/inventory/${menu.menu_item_id}`, { price: '2400' })
        expect(changed.body.price).to.equal(amount.replace('25', '24'))
        const stats = await api.call('GET', `/api/v1/restaurants/${menu.restaurant_id}/stats`)
        expect(stats.body).to.have.nested.property('totals.revenue', amount.replace('2500', '0'))
      }
    } finally {
      await system.stop()
    }

    async function priceOf({ restaurant_id, menu_item_id }: MenuIds): Promise<string> {
      const { price } = await api.item(menu_item_id)
      const menu = await api.call<{ price: string }[]>('GET', `/api/v1/restaurants/${restaurant_id}/menu`)
      expect(menu.body.map(item => item.price)).to.deep.equal([price])
      return price
    }

    /** Returns total and price of an order, and its total in the list of orders. */
    async function amountsOf(orderId: string): Promise<(string | undefined)[]> {
      const order = await api.order(orderId)
      const list = await api.call<{ order_id: string; total_amount: string }[]>(
        'GET',
        `/api/v1/orders?restaurant_id=${order.restaurant_id}`,
      )
      const listed = list.body.find(({ order_id }) => order_id === orderId)
      return [order.total_amount, order.items[0]?.price, listed?.total_amount]
    }

    async function addWithoutDecimals(currency: string, priceMinor: number): Promise<MenuIds> {
      const ids = { restaurant_id: randomUUID(), menu_item_id: randomUUID() }
      await insertRestaurant(database, ids.restaurant_id, currency)
      await database.execute(
        `insert into menu_items (menu_item_id, restaurant_id, name, price_minor, available_qty)
        values ($1, $2, 'Gulyás', $3, 10)`,
        [ids.menu_item_id, ids.restaurant_id, priceMinor],
      )
      return ids
    }

    async function orderWithoutDecimals({ restaurant_id, menu_item_id }: MenuIds): Promise<string> {
      const order_id = randomUUID()
      await insertOrder(database, order_id, restaurant_id)
      await database.execute(
        `insert into order_items (order_id, restaurant_id, menu_item_id, line_no, name, price_minor, quantity)
        values ($1, $2, $3, 1, 'Gulyás', 2500, 1)`,
        [order_id, restaurant_id, menu_item_id],
      )
      await database.execute(
        `insert into order_transitions (order_id, restaurant_id, seq, to_status, actor, at)
        values ($1, $2, 1, 'PLACED', 'client', now())`,
        [order_id, restaurant_id],
      )
      return order_id
    }
  })

  it('fill the decimals of rows that a process of the previous version inserts', async () => {
    const { url, drop } = await blankDatabase()
    const database = await openPool(url)
    try {
      await migrateUp(url)
      const [huf, eur, order_id] = [randomUUID(), randomUUID(), randomUUID()]
      await insertRestaurant(database, huf, 'HUF')
      await insertRestaurant(database, eur, 'EUR')
      await database.execute('update restaurants set currency_decimals = 4 where restaurant_id = $1', [eur])
      await insertOrder(database, order_id, eur)
      const stored = await database.query(
        `select currency_decimals from restaurants where restaurant_id = $1
        union all select currency_decimals from orders where order_id = $2`,
        [huf, order_id],
      )
      expect(stored).to.deep.equal([{ currency_decimals: 0 }, { currency_decimals: 4 }])
    } finally {
      await database.close()
      await drop()
    }
  })
})

interface MenuIds {
  restaurant_id: string
  menu_item_id: string
}

async function insertRestaurant(database: Database, restaurantId: string, currency: string): Promise<void> {
  await database.execute(
    `insert into restaurants (restaurant_id, name, currency) values ($1, 'Csárda', $2)`,
    [restaurantId, currency],
  )
}

async function insertOrder(database: Database, orderId: string, restaurantId: string): Promise<void> {
  await database.execute(
    `insert into orders (order_id, restaurant_id, status, version, currency, total_minor, placed_at, updated_at)
    select $1, restaurant_id, 'PLACED', 1, currency, 2500, now(), now()
    from restaurants
    where restaurant_id = $2`,
    [orderId, restaurantId],
  )
}

/** Returns the part of a query runner that migrations use. */
function runnerOf(database: Database): QueryRunner {
  return { query: async (sql: string) => await database.query(sql) } as unknown as QueryRunner
}
