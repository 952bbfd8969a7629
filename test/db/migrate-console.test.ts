import { expect } from 'chai'
import { FindOrdersAndDeadLetters1797400000000 } from '../../migrations/1797400000000-find-orders-and-dead-letters.ts'
import { migrateUp, withMigrationLock } from '../../src/db/migrations.ts'
import { addMenu, place } from '../support/pipeline.ts'
import { openTestDatabase } from '../support/system.ts'

describe('the migration for the console', () => {
  it('indexes existing orders while another process waits to migrate, also after an interrupted build', async () => {
    const { database, url, close } = await openTestDatabase()
    try {
      const menu = await addMenu(database, 10)
      await place(database, menu)
      await database.execute(`delete from schema_migrations where name = $1`, [
        new FindOrdersAndDeadLetters1797400000000().name,
      ])
      await database.execute('drop index dead_letters_by_job, orders_by_code')
      // What an interrupted build leaves behind.
      await database.execute('create index orders_by_code on orders (placed_at)')
      await Promise.all([1, 2].map(() => withMigrationLock(url, () => migrateUp(url))))
      const [index] = await database.query<{ definition: string }>(
        `select pg_get_indexdef('orders_by_code'::regclass) as definition from pg_index
        where indexrelid = 'orders_by_code'::regclass and indisvalid`,
      )
      expect(index?.definition).to.include('substr((order_id)::text, 29, 5)')
    } finally {
      await close()
    }
  })
})
