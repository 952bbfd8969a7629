import { expect } from 'chai'
import {
  BoundEvents1796805000000,
  PartitionEvents1796810000000,
} from '../../migrations/1796810000000-partition-events.ts'
import { describeSchema, migrateDown, migrateUp } from '../../src/db/migrations.ts'
import { partitionsOf } from '../../src/ops/maintenance/partitions.ts'
import { createViews } from '../../src/ops/refresh-views.ts'
import { migrate } from '../../src/processes/migrate.ts'
import { quiet } from '../support/log.ts'
import { runnerOf } from '../support/migration-runner.ts'
import { blankDatabase } from '../support/postgres.ts'
import { openPool } from '../support/system.ts'

describe('migrations', () => {
  it('produce the same schema when run, reverted and run again', async () => {
    const { url, drop } = await blankDatabase()
    const database = await openPool(url)
    try {
      expect(await describeSchema(database)).to.match(/^lacks /)
      const first = await migrateUp(url)
      expect(first).to.not.deep.equal([])
      expect(await describeSchema(database)).to.match(/^is being migrated: /)
      const schema = await tables()
      expect(await migrateUp(url)).to.deep.equal([])

      await migrateDown(url)
      expect(await tables()).to.deep.equal([])
      expect(await describeSchema(database)).to.contain(`lacks ${first[0]}, ${first.length - 1} more: run`)

      expect(await migrateUp(url)).to.deep.equal(first)
      expect(await tables()).to.deep.equal(schema)
    } finally {
      await database.close()
      await drop()
    }

    async function tables(): Promise<unknown[]> {
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

  it('can run in several processes at once', async () => {
    const { url, drop } = await blankDatabase()
    const database = await openPool(url)
    try {
      await Promise.all([migrate(url, quiet), migrate(url, quiet), migrate(url, quiet)])
      expect(await describeSchema(database)).to.equal('ok')
      const queues = await database.query('select name from pgboss.queue')
      expect(queues.length).to.be.above(3)
    } finally {
      await database.close()
      await drop()
    }
  })
})
