import { expect } from 'chai'
import { FindOrdersAndDeadLetters1797400000000 } from '../../migrations/1797400000000-find-orders-and-dead-letters.ts'
import { PauseWebhooks1797600000000 } from '../../migrations/1797600000000-pause-webhooks.ts'
import { ListManyDeadLetters1797700000000 } from '../../migrations/1797700000000-list-many-dead-letters.ts'
import { IndexOrderCodesByTime1797900000000 } from '../../migrations/1797900000000-index-order-codes-by-time.ts'
import { migrateUp, withMigrationLock } from '../../src/db/migrations.ts'
import { addDemoMenu } from '../../src/inventory/add-demo-menu.ts'
import { addDemoWebhook } from '../../src/webhooks/add-demo-webhook.ts'
import { addMenu, place } from '../support/pipeline.ts'
import { openTestDatabase } from '../support/system.ts'

describe('the migration for the console', () => {
  it('indexes existing orders while another process waits to migrate, also after an interrupted build', async () => {
    const { database, url, close } = await openTestDatabase()
    try {
      const menu = await addMenu(database, 10)
      await place(database, menu)
      await database.execute(`delete from schema_migrations where name = any($1)`, [
        [new FindOrdersAndDeadLetters1797400000000().name, new IndexOrderCodesByTime1797900000000().name],
      ])
      await database.execute('drop index dead_letters_by_job, orders_by_time_and_code')
      // What an interrupted build leaves behind.
      for (const name of ['orders_by_code', 'orders_by_time_and_code'])
        await database.execute(`create index ${name} on orders (placed_at)`)
      await Promise.all([1, 2].map(() => withMigrationLock(url, () => migrateUp(url))))
      const indexes = await database.query<{ definition: string }>(
        `select pg_get_indexdef(indexrelid) as definition from pg_index
        where pg_get_indexdef(indexrelid) ~ 'INDEX orders_by_(code|time_and_code)' and indisvalid`,
      )
      expect(indexes.map(({ definition }) => definition.split(' USING ')[1])).to.deep.equal([
        'btree (substr((order_id)::text, 1, 7), substr((order_id)::text, 29, 5))',
      ])
    } finally {
      await close()
    }
  })
})

describe('the migration for pauses of webhooks', () => {
  it('pauses no existing webhook', async () => {
    const { database, url, close } = await openTestDatabase()
    try {
      await database.transaction(addDemoMenu)
      await database.transaction(addDemoWebhook)
      await database.execute('alter table webhooks drop column paused_at cascade')
      await database.execute(`delete from schema_migrations where name = $1`, [
        new PauseWebhooks1797600000000().name,
      ])
      await migrateUp(url)
      expect(await database.query('select paused_at from webhooks')).to.deep.equal([{ paused_at: null }])
    } finally {
      await close()
    }
  })
})

describe('the migration for a million dead letters', () => {
  it('indexes existing dead letters by decision and queue, also after an interrupted build', async () => {
    const { database, url, close } = await openTestDatabase()
    try {
      await database.execute(
        `insert into dead_letters (dead_letter_id, queue, job_id, error, attempts, first_queued_at, dead_at)
        select uuidv7(), 'order.prepare', uuidv7(), '{}', 13, now(), now() from generate_series(1, 100)`,
      )
      await database.execute(`delete from schema_migrations where name = $1`, [
        new ListManyDeadLetters1797700000000().name,
      ])
      await database.execute('drop index dead_letters_by_fate, dead_letters_by_fate_and_queue')
      // What an interrupted build leaves behind.
      await database.execute('create index dead_letters_by_fate on dead_letters (fate)')
      await migrateUp(url)
      const indexes = await database.query<{ definition: string }>(
        `select pg_get_indexdef(indexrelid) as definition from pg_index
        where indrelid = 'dead_letters'::regclass and indisvalid order by 1`,
      )
      expect(indexes.map(({ definition }) => definition).join('\n'))
        .to.include('(fate, dead_at, dead_letter_id)')
        .and.include('(fate, queue, dead_at, dead_letter_id)')
      expect(await database.query('select count(*)::integer as count from dead_letters')).to.deep.equal([
        { count: 100 },
      ])
    } finally {
      await close()
    }
  })
})
