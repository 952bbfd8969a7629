import { expect } from 'chai'
import pg from 'pg'
import type { Database } from '../../src/db/database.ts'
import { maintainPartitions } from '../../src/ops/maintenance/maintain-partitions.ts'
import { missingPeriods, partitionMinutes, partitionsOf } from '../../src/ops/maintenance/partitions.ts'
import { prune } from '../../src/ops/maintenance/prune.ts'
import { saveRetention } from '../../src/ops/maintenance/save-retention.ts'
import { nowMs } from '../../src/platform/clock.ts'
import { parseConfig } from '../../src/platform/config.ts'
import { retentionOf } from '../../src/platform/retention.ts'
import { quiet } from '../support/log.ts'
import { partitionByMinute } from '../support/partition-by-minute.ts'
import { openTestDatabase } from '../support/system.ts'

const at = (time: string) => new Date(`2026-11-28T${time}Z`)

describe('the periods of partitions', () => {
  it('are a tenth of the retention, and at least a minute', () => {
    expect([1, 5, 10, 100, 43_200].map(partitionMinutes)).to.deep.equal([1, 1, 1, 10, 4_320])
  })

  it('begin with the current one, and reach two ahead', () => {
    expect(missingPeriods(at('10:03:20'), 5, undefined, undefined)).to.deep.equal([
      { from: at('10:00:00'), until: at('10:05:00') },
      { from: at('10:05:00'), until: at('10:10:00') },
      { from: at('10:10:00'), until: at('10:15:00') },
    ])
    expect(missingPeriods(at('10:05:01'), 5, at('10:15:00'), undefined)).to.deep.equal([
      { from: at('10:15:00'), until: at('10:20:00') },
    ])
    expect(missingPeriods(at('10:05:01'), 5, at('10:20:00'), undefined)).to.deep.equal([])
  })

  it('begin in the future when the default partition has rows of the current one, and reach a boundary', () => {
    expect(missingPeriods(at('10:03:20'), 5, at('08:00:00'), at('10:01:00'))[0]).to.deep.equal({
      from: at('10:05:00'),
      until: at('10:10:00'),
    })
    expect(missingPeriods(at('10:01:20'), 5, at('08:00:00'), at('10:01:00'))[0]).to.deep.equal({
      from: at('10:03:00'),
      until: at('10:05:00'),
    })
  })
})

describe('maintainPartitions', () => {
  let database: Database
  let url: string
  let close: () => Promise<void>

  beforeEach(async () => {
    const test = await openTestDatabase()
    database = test.database
    url = test.url
    close = test.close
    await keep(5, 5)
  })
  afterEach(() => close())

  const keep = async (outbox: number, processed: number) =>
    await saveRetention(
      database,
      retentionOf(
        parseConfig({
          OUTBOX_RETENTION_MINUTES: String(outbox),
          PROCESSED_RETENTION_MINUTES: String(processed),
        }),
      ),
    )

  const maintain = (attempts?: number) => maintainPartitions(database, quiet, attempts)

  /** Inserts an event with an id of some minutes ago. */
  async function insertEvent(minutesAgo: number, columns = 'dispatched_at', values = 'now()'): Promise<void> {
    await database.execute(
      `insert into outbox_events (event_id, restaurant_id, type, payload, ${columns})
      values (uuidv7($1::float8 * interval '-1 minute'), gen_random_uuid(), 'order.placed.v1', '{}', ${values})`,
      [minutesAgo],
    )
  }

  async function partitionOf(minutesAgo: number): Promise<string | undefined> {
    const [row] = await database.query<{ name: string }>(
      `select tableoid::regclass as name from outbox_events
      where event_id between uuidv7_at(now() - make_interval(secs => $1::float8 * 60 + 20)) and uuidv7_at(now() - make_interval(secs => $1::float8 * 60 - 20))`,
      [minutesAgo],
    )
    return row?.name
  }

  const countOf = async (table: string) => (await database.query(`select 1 from ${table}`)).length
  const namesOf = async (table: 'outbox_events' | 'processed_events') =>
    (await partitionsOf(database, table)).map(({ name }) => name)

  it('replaces empty partitions ahead that are much wider than the setting', async () => {
    const before = await namesOf('outbox_events')
    const count = before.length + (await namesOf('processed_events')).length
    const { dropped, created, blocked } = await maintain()
    expect({ dropped, created, blocked }).to.deep.equal({ dropped: count - 2, created: 0, blocked: 0 })
    expect(await namesOf('outbox_events')).to.deep.equal(before.slice(0, 1))
    expect(await maintain()).to.include({ dropped: 0, created: 0 })
  })

  it('creates the current partition and two ahead, where events are then inserted', async () => {
    for (const name of await namesOf('outbox_events')) await database.execute(`drop table ${name}`)
    await insertEvent(20)
    const { created } = await maintain()
    expect(created).to.equal(3)
    await insertEvent(0)
    expect(await partitionOf(0)).to.match(/^outbox_events_\d{8}_\d{4}$/)
    expect(await partitionOf(20)).to.equal('outbox_events_default')
  })

  it('moves rows of a new partition out of the default partition', async () => {
    await partitionByMinute(database)
    const last = (await partitionsOf(database, 'outbox_events')).at(-1) ?? expect.fail('no partition')
    await database.execute(`drop table ${last.name}`)
    const minutesAgo = (nowMs() - last.from_at.getTime()) / 60_000 - 0.5
    await insertEvent(minutesAgo)
    expect(await partitionOf(minutesAgo)).to.equal('outbox_events_default')
    await database.query('select create_partition($1, $2, $3)', [
      'outbox_events',
      last.from_at,
      last.until_at,
    ])
    expect(await partitionOf(minutesAgo)).to.equal(last.name)
  })

  it('drops partitions whose rows have expired, and no others', async () => {
    await partitionByMinute(database)
    for (const minute of [9.5, 7.5, 3.5, 0]) await insertEvent(minute)
    await database.execute(
      `insert into processed_events (event_id, consumer, restaurant_id)
      select event_id, 'inventory.deduct', restaurant_id from outbox_events`,
    )
    const { dropped, held, blocked } = await maintain()
    expect(dropped).to.be.within(8, 12)
    expect({ held, blocked }).to.deep.equal({ held: 0, blocked: 0 })
    expect(await countOf('outbox_events')).to.equal(2)
    expect(await countOf('processed_events')).to.equal(2)
  })

  const held: Record<string, () => Promise<void>> = {
    pending: () => insertEvent(8.5, 'dispatched_at', 'null'),
    quarantined: () => insertEvent(8.5, 'quarantined_at, error', `now(), 'unknown'`),
    undelivered: async () => {
      await insertEvent(8.5, 'dispatched_at, error', `now(), 'undelivered'`)
      await database.execute(
        `insert into webhook_deliveries (webhook_id, event_id, type)
        select gen_random_uuid(), event_id, type from outbox_events where error = 'undelivered'`,
      )
    },
  }
  for (const [state, insertHeld] of Object.entries(held)) {
    it(`keeps a partition with an event that is ${state}, and prunes its other rows`, async () => {
      await partitionByMinute(database)
      await insertEvent(8.5)
      await insertHeld()
      expect(await maintain()).to.include({ held: 1, blocked: 0 })
      expect(await countOf('outbox_events')).to.equal(2)
      expect(await prune(database, quiet)).to.include({ outbox_events: 1 })
      expect(await countOf('outbox_events')).to.equal(1)
      await database.execute(
        `update outbox_events set dispatched_at = now(), quarantined_at = null, error = null`,
      )
      await database.execute(`update webhook_deliveries set state = 'DELIVERED', settled_at = now()`)
      expect(await maintain()).to.include({ held: 0, dropped: 1 })
      expect(await countOf('outbox_events')).to.equal(0)
    })
  }

  it('refuses to drop a partition with rows that have not expired or are not dispatched', async () => {
    await partitionByMinute(database)
    await insertEvent(0)
    await insertEvent(8.5, 'dispatched_at', 'null')
    for (const name of [await partitionOf(0), await partitionOf(8.5)]) {
      const [row] = await database.query('select drop_partition($1) as done', [name])
      expect(row, name).to.deep.equal({ done: false })
    }
    expect(await countOf('outbox_events')).to.equal(2)
    const refused = await database.query(`select drop_partition('orders')`).catch(String)
    expect(refused).to.match(/no partition that can be dropped/)
  })

  it('waits for no lock longer than 100 ms, and drops the partition when the lock is released', async () => {
    await partitionByMinute(database)
    const holder = new pg.Client({ connectionString: url })
    await holder.connect()
    try {
      await holder.query('begin')
      await holder.query('select from outbox_events limit 1')
      const { dropped, blocked } = await maintain(1)
      expect(blocked).to.be.above(0)
      expect(dropped).to.be.above(0)
      await holder.query('rollback')
      expect(await maintain()).to.include({ blocked: 0, dropped: blocked })
    } finally {
      await holder.end()
    }
  })

  it('prunes the rows of the default partition and of partitions wider than the setting', async () => {
    await insertEvent(8)
    await insertEvent(1)
    for (const name of await namesOf('processed_events')) await database.execute(`drop table ${name}`)
    await database.execute(
      `insert into processed_events (event_id, consumer, restaurant_id)
      select event_id, 'inventory.deduct', restaurant_id from outbox_events`,
    )
    expect(await prune(database, quiet)).to.include({ outbox_events: 1, processed_events: 1 })
  })
})
