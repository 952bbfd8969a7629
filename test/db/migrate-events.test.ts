import { expect } from 'chai'
import { CountQuarterHours1796410000000 } from '../../migrations/1796410000000-count-quarter-hours.ts'
import {
  BoundEvents1796805000000,
  PartitionEvents1796810000000,
} from '../../migrations/1796810000000-partition-events.ts'
import { MarkOrdersReady1796900000000 } from '../../migrations/1796900000000-mark-orders-ready.ts'
import { NameWhoChangedOrders1796910000000 } from '../../migrations/1796910000000-name-who-changed-orders.ts'
import { BindStatisticsToTheirServer1797500000000 } from '../../migrations/1797500000000-bind-statistics-to-their-server.ts'
import { projectStats } from '../../src/analytics/project-stats.ts'
import { columnsSql, recountSql } from '../../src/analytics/stats-sql.ts'
import { migrateUp } from '../../src/db/migrations.ts'
import { maintainPartitions } from '../../src/ops/maintenance/maintain-partitions.ts'
import { partitionsOf } from '../../src/ops/maintenance/partitions.ts'
import { migrate } from '../../src/processes/migrate.ts'
import { expectInvariants } from '../support/invariants.ts'
import { quiet } from '../support/log.ts'
import { runnerOf } from '../support/migration-runner.ts'
import { addMenu, cancel, deduct, place, prepare, setReady, setStatus } from '../support/pipeline.ts'
import { blankDatabase } from '../support/postgres.ts'
import { openPool, openTestDatabase } from '../support/system.ts'

describe('the migrations of orders and events', () => {
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

  it('bind the cursor of existing statistics to the server', async () => {
    const { database, close } = await openTestDatabase()
    try {
      const runner = runnerOf(database)
      const cursor = async () =>
        await database.query('select next_xid, under_way, as_of from projection_cursors')
      await new BindStatisticsToTheirServer1797500000000().down(runner)
      const before = await cursor()
      await new BindStatisticsToTheirServer1797500000000().up(runner)
      expect(await cursor()).to.deep.equal(before)
      const menu = await addMenu(database, 5)
      await place(database, menu)
      await database.transaction(tx => projectStats(tx, quiet))
      await expectInvariants(database)
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
})
