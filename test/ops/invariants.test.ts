import { expect } from 'chai'
import type { PgBoss } from 'pg-boss'
import { rebuildStats } from '../../src/analytics/rebuild-stats.ts'
import type { Database } from '../../src/db/database.ts'
import { startBoss } from '../../src/jobs/boss.ts'
import { checks } from '../../src/ops/invariants/invariants.ts'
import { dispatchBatch } from '../../src/outbox/dispatch-batch.ts'
import { newId } from '../../src/platform/ids.ts'
import { webhookFanOut } from '../../src/webhooks/fan-out.ts'
import { expectInvariants } from '../support/invariants.ts'
import { quiet } from '../support/log.ts'
import { addMenu, cancel, type Menu, place, setReady, setStatus, statusOf } from '../support/pipeline.ts'
import { startDispatcher, startWorker } from '../support/start-role.ts'
import { openTestDatabase, testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'

describe('the views ops.check_*', () => {
  let database: Database
  let boss: PgBoss
  let close: () => Promise<void>
  let menu: Menu
  let delivered: string
  let cancelled: string

  before(async () => {
    const test = await openTestDatabase()
    database = test.database
    close = test.close
    boss = await startBoss(database, 'producer', 'test', quiet)
    menu = await addMenu(database, 10, 10)
    const services = [
      await startWorker(testConfig, test.url, quiet),
      await startDispatcher(testConfig, test.url, quiet),
    ]
    delivered = await place(database, menu)
    cancelled = await place(database, menu)
    const short = await place(database, menu, 100)
    await until('all are past PLACED', async () => {
      const statuses = await Promise.all(
        [delivered, cancelled, short].map(order => statusOf(database, order)),
      )
      return statuses.every(status => status !== 'PLACED')
    })
    for (const isReady of [true, false, true]) await setReady(database, delivered, isReady)
    await setStatus(database, delivered, 'OUT_FOR_DELIVERY')
    await setStatus(database, delivered, 'DELIVERED')
    await cancel(database, cancelled)
    await until('everything has been done', async () => {
      const left = await database.query(
        `select 1 from outbox_events where dispatched_at is null
        union all select 1 from pgboss.job where state < 'completed' and name ~ '^(order|inventory)\\.'`,
      )
      return left.length === 0
    })
    for (const service of services) await service.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
  })
  after(async () => {
    await boss.stop({ graceful: false })
    await close()
  })

  it('return no rows while every invariant holds', () => expectInvariants(database))

  it('return no rows for work in progress', async () => {
    await database
      .transaction(async tx => {
        await tx.execute(
          `update orders set status = 'PLACED', version = 1, ready_at = null where order_id = $1`,
          [delivered],
        )
        await tx.execute('delete from order_transitions where order_id = $1 and seq > 1', [delivered])
        await tx.execute(
          `delete from outbox_events where order_id = $1 and type ~ '^order.(status|ready|unready)'`,
          [delivered],
        )
        await tx.execute(
          `delete from processed_events
          where consumer = 'inventory.deduct'
            and event_id in (select event_id from outbox_events where order_id = $1)`,
          [delivered],
        )
        await rebuildStats(tx)
        await tx.execute('update menu_items set available_qty = 10')
        await tx.execute('delete from stock_movements where order_id is not null and order_id = $1', [
          delivered,
        ])
        await tx.execute(
          `update outbox_events set dispatched_at = null where order_id = $1 and type = 'order.placed.v1'`,
          [delivered],
        )
        expect(await tx.query('select * from ops.check_order_effects')).to.deep.equal([])
        await dispatchBatch(tx, { boss, fanOut: webhookFanOut, log: quiet }, 500)
        await tx.execute(
          `update pgboss.job set state = 'active' where id in (select event_id from outbox_events where order_id = $1)`,
          [delivered],
        )
        await expectInvariants(tx)
        throw new Error('undo')
      })
      .catch((error: Error) => {
        if (error.message !== 'undo') throw error
      })
  })

  it('have a comment on every view and column', async () => {
    const undocumented = await database.query(
      `select c.relname, a.attname
      from pg_class as c
      join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0
      where c.relnamespace = 'ops'::regnamespace
        and (obj_description(c.oid) is null or col_description(c.oid, a.attnum) is null)`,
    )
    expect(undocumented).to.deep.equal([])
  })

  /** For each view, the damage to the data of the orders above that it has to detect. */
  const damages: Record<string, () => [sql: string, values?: unknown[]][]> = {
    check_stock_not_negative: () => [
      ['alter table menu_items drop constraint stock_is_never_negative'],
      ['update menu_items set available_qty = -1 where menu_item_id = $1', [menu.menu_item_ids[0]]],
    ],
    check_stock_is_its_ledger: () => [
      ['update menu_items set available_qty = 5 where menu_item_id = $1', [menu.menu_item_ids[0]]],
    ],
    check_order_effects: () => [
      [`delete from stock_movements where order_id = $1 and kind = 'RESTORE'`, [cancelled]],
    ],
    check_effects_once: () => [
      ['drop index an_order_moves_an_item_once_a_kind'],
      [
        `insert into stock_movements (movement_id, restaurant_id, menu_item_id, order_id, event_id, kind, delta)
        select gen_random_uuid(), restaurant_id, menu_item_id, order_id, event_id, kind, delta
        from stock_movements where order_id = $1`,
        [delivered],
      ],
    ],
    check_placed_events: () => [
      [`delete from outbox_events where order_id = $1 and type = 'order.placed.v1'`, [delivered]],
    ],
    check_events_dispatched: () => [
      [
        `update outbox_events set dispatched_at = null, created_at = now() - interval '2 minutes' where order_id = $1`,
        [delivered],
      ],
    ],
    check_events_accounted: () => [
      ['delete from processed_events where consumer = $1', ['order.prepare']],
      ['delete from pgboss.job where name = $1', ['order.prepare']],
    ],
    check_jobs_once: () => [
      [
        `insert into pgboss.job (name, data) select name, data from pgboss.job, generate_series(1, 2)
        where name = 'inventory.deduct' and data ->> 'order_id' = $1`,
        [delivered],
      ],
    ],
    check_history: () => [['delete from order_transitions where order_id = $1 and seq = 2', [delivered]]],
    check_dead_letters: () => [[`update pgboss.job set state = 'failed' where name = 'inventory.deduct'`]],
    check_statistics_are_a_recount: () => [
      ['delete from restaurant_quarter_hours'],
      [
        `update projection_cursors set next_xid = pg_snapshot_xmax(pg_current_snapshot())::text::bigint, under_way = '{}'`,
      ],
    ],
    check_deliveries_made: () => [
      [
        `insert into webhooks (webhook_id, owner, url, event_types, type_patterns, updated_at)
        values (uuidv7(), 'test', 'https://example.com/', '{*}', '{%}', now() - interval '1 day')`,
      ],
    ],
    check_deliveries_accounted: () => [
      [
        `insert into webhook_deliveries (webhook_id, event_id, type, next_attempt_at) values (uuidv7(), uuidv7(), 'order.placed.v1', null)`,
      ],
    ],
  }

  for (const { name } of checks) {
    it(`${name} returns rows when its invariant is violated`, async () => {
      const damage = damages[name]?.()
      expect(damage, `no damage is written down for ${name}`).to.not.equal(undefined)
      const failure = await database
        .transaction(async tx => {
          for (const [sql, values] of damage ?? []) await tx.execute(sql, values)
          const found = await tx.query(`select * from ops.${name}`)
          throw new Error(`found ${found.length}`)
        })
        .catch((error: Error) => error)
      expect(failure.message).to.match(/^found [1-9]/)
    })
  }

  it('detect an event that is handled as a chained step and has a job as well', async () => {
    const failure = await database
      .transaction(async tx => {
        await tx.execute(
          `insert into pgboss.job (id, name, data)
          select event_id, 'order.prepare', jsonb_build_object('event_id', event_id, 'type', type)
          from outbox_events
          where order_id = $1
            and type = 'inventory.deducted.success.v1'`,
          [delivered],
        )
        throw new Error(`found ${(await tx.query('select * from ops.check_jobs_once')).length}`)
      })
      .catch((error: Error) => error)
    expect(failure.message).to.equal('found 1')
  })
  for (const [name, damage] of [
    ['READY twice in a row', `update order_transitions set fact = 'READY' where fact = 'UNREADY'`],
    ['UNREADY of an order that is not ready', `update order_transitions set fact = 'UNREADY' where seq = 3`],
    ['a status change with a fact', `update order_transitions set fact = 'READY' where seq = 6`],
    [
      'a fact of another status',
      `update order_transitions set from_status = 'PLACED', to_status = 'PLACED' where seq = 5`,
    ],
    [
      'a transition without a fact that keeps the status',
      'update order_transitions set fact = null where seq = 5',
    ],
    ['an order that was READY last and has no ready_at', 'update orders set ready_at = null'],
    ['another ready_at than the time of READY', `update orders set ready_at = ready_at + interval '1 ms'`],
    ['a ready_at without READY', `update orders set ready_at = updated_at where ready_at is null`],
  ] as const) {
    it(`check_history detects ${name}`, async () => {
      const failure = await database
        .transaction(async tx => {
          await tx.execute('alter table order_transitions drop constraint only_facts_keep_the_status')
          const wanted = name.startsWith('a ready_at') ? cancelled : delivered
          await tx.execute(`${damage} ${damage.includes('where') ? 'and' : 'where'} order_id = $1`, [wanted])
          const found = await tx.query<{ order_id: string }>('select order_id from ops.check_history')
          throw new Error(`found ${found.map(({ order_id }) => order_id).join()}`)
        })
        .catch((error: Error) => error)
      expect(failure.message).to.equal(`found ${name.startsWith('a ready_at') ? cancelled : delivered}`)
    })
  }

  it('detect an event without an order, and an order without an event', async () => {
    const failure = await database
      .transaction(async tx => {
        await tx.execute(
          `insert into outbox_events (event_id, restaurant_id, type, order_id, payload)
          values ($1, $2, 'order.placed.v1', $1, '{}')`,
          [newId(), menu.restaurant_id],
        )
        throw new Error(`found ${(await tx.query('select * from ops.check_placed_events')).length}`)
      })
      .catch((error: Error) => error)
    expect(failure.message).to.equal('found 1')
  })
})
