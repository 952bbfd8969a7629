import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { WidenStock1796200000000 } from '../../migrations/1796200000000-widen-stock.ts'
import { KeepLowStock1796500000000 } from '../../migrations/1796500000000-keep-low-stock.ts'
import { RecordReasonCodes1796510000000 } from '../../migrations/1796510000000-record-reason-codes.ts'
import { ReturnToTheMenu1797010000000 } from '../../migrations/1797010000000-return-to-the-menu.ts'
import type { Database } from '../../src/db/database.ts'
import { migrateUp } from '../../src/db/migrations.ts'
import { runnerOf } from '../support/migration-runner.ts'
import { blankDatabase } from '../support/postgres.ts'
import { openPool } from '../support/system.ts'

describe('the migrations of the menu', () => {
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
})

async function insertRestaurant(database: Database, restaurantId: string, currency: string): Promise<void> {
  await database.execute(
    `insert into restaurants (restaurant_id, name, currency) values ($1, 'Csárda', $2)`,
    [restaurantId, currency],
  )
}
