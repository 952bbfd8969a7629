import { expect } from 'chai'
import type { Database } from '../../src/db/database.ts'
import { prune } from '../../src/ops/maintenance/prune.ts'
import { saveRetention } from '../../src/ops/maintenance/save-retention.ts'
import { parseConfig } from '../../src/platform/config.ts'
import { retentionOf } from '../../src/platform/retention.ts'
import { quiet } from '../support/log.ts'
import { openTestDatabase } from '../support/system.ts'

const now = new Date()
const daysAgo = (days: number) => new Date(now.getTime() - days * 86_400_000)

describe('prune', () => {
  let database: Database
  let close: () => Promise<void>

  before(async () => {
    const test = await openTestDatabase()
    database = test.database
    close = test.close
  })
  after(() => close())
  beforeEach(async () => {
    await database.execute(
      'truncate outbox_events, processed_events, dead_letters, job_trials, idempotency_keys, webhook_deliveries',
    )
    await database.execute(`update retention set kept_since = '-infinity'`)
    await saveRetention(database, retentionOf(parseConfig({})))
  })

  /** Inserts events of some days ago, with ids of that time. */
  async function insertEvents(
    count: number,
    days: number,
    columns: Record<string, unknown> = { dispatched_at: now },
  ): Promise<void> {
    const [names, values] = [Object.keys(columns), Object.values(columns)]
    await database.execute(
      `insert into outbox_events (event_id, restaurant_id, type, payload${names.map(name => `, ${name}`).join('')})
      select uuidv7($1::timestamptz - now()), gen_random_uuid(), 'order.placed.v1', '{}'${names.map((_, index) => `, $${index + 3}`).join('')}
      from generate_series(1, $2)`,
      [daysAgo(days), count, ...values],
    )
  }

  const countOf = async (table: string) => (await database.query(`select 1 from ${table}`)).length

  it('deletes dispatched events after 30 days, in any number', async () => {
    await insertEvents(4_500, 31)
    await insertEvents(3, 29)
    expect(await prune(database, quiet)).to.include({ outbox_events: 4_500 })
    expect(await countOf('outbox_events')).to.equal(3)
  })

  it('keeps undispatched events of any age', async () => {
    await insertEvents(2, 400, {})
    await insertEvents(1, 400, { quarantined_at: now, error: 'unknown' })
    await insertEvents(5, 400)
    expect(await prune(database, quiet)).to.include({ outbox_events: 5 })
    expect(await countOf('outbox_events')).to.equal(3)
  })

  it('keeps events that a webhook has not received yet', async () => {
    await insertEvents(4_500, 31)
    await database.execute(
      `insert into webhook_deliveries (delivery_id, webhook_id, event_id, type, settled_at, state)
      select event_id, gen_random_uuid(), event_id, type, case number when 1 then null else now() end,
        case number when 1 then 'QUEUED' else 'DELIVERED' end
      from (select *, row_number() over (order by event_id) as number from outbox_events) as e
      where number <= 2`,
    )
    expect(await prune(database, quiet)).to.include({ outbox_events: 4_499, webhook_deliveries: 1 })
    expect(await countOf('outbox_events')).to.equal(1)
    await database.execute(`update webhook_deliveries set settled_at = now(), state = 'DELIVERED'`)
    expect(await prune(database, quiet)).to.include({ outbox_events: 1, webhook_deliveries: 1 })
  })

  it('deletes rows after the stored periods, and keeps what it deleted in mind when they grow', async () => {
    await saveRetention(
      database,
      retentionOf(
        parseConfig({
          OUTBOX_RETENTION_MINUTES: '60',
          PROCESSED_RETENTION_MINUTES: '2880',
          IDEMPOTENCY_RETENTION_MINUTES: '1',
        }),
      ),
    )
    await insertEvents(3, 1)
    await insertEvents(2, 0)
    await database.execute(
      `insert into processed_events (event_id, consumer, restaurant_id) select event_id, 'inventory.deduct', restaurant_id from outbox_events`,
    )
    expect(await prune(database, quiet)).to.include({ outbox_events: 3, processed_events: 0 })
    await saveRetention(database, retentionOf(parseConfig({})))
    await prune(database, quiet)
    const kept = await database.query(
      `select name, round(extract(epoch from now() - kept_since) / 60)::integer as minutes from retention order by name`,
    )
    expect(kept).to.deep.equal([
      { name: 'idempotency_keys', minutes: 1 },
      { name: 'outbox_events', minutes: 60 },
      { name: 'processed_events', minutes: 2_880 },
      { name: 'webhook_deliveries', minutes: 60 },
    ])
  })

  it('leaves rows to the next run when its time is up', async () => {
    await insertEvents(5, 31)
    expect(await prune(database, quiet, 0)).to.deep.equal({})
    expect(await prune(database, quiet)).to.include({ outbox_events: 5 })
  })

  it('keeps records of processed events for longer than a redrive may reach back', async () => {
    await insertEvents(3, 31)
    await insertEvents(2, 46)
    await database.execute(
      `insert into processed_events (event_id, consumer, restaurant_id) select event_id, 'inventory.deduct', restaurant_id from outbox_events`,
    )
    expect(await prune(database, quiet)).to.include({ processed_events: 2 })
    expect(await countOf('processed_events')).to.equal(3)
  })

  it('never deletes a dead letter', async () => {
    await database.execute(
      `insert into dead_letters (dead_letter_id, queue, job_id, attempts, first_queued_at, dead_at)
      values (gen_random_uuid(), 'order.prepare', gen_random_uuid(), 1, $1, $1)`,
      [daysAgo(4_000)],
    )
    await prune(database, quiet)
    expect(await countOf('dead_letters')).to.equal(1)
  })

  it('deletes idempotency keys after 24 hours', async () => {
    await database.execute(
      `insert into idempotency_keys (caller, key, fingerprint, status, headers, body, created_at)
      select 'anyone', hours::text, '', 200, '{}', '{}', $1::timestamptz - hours * interval '1 hour'
      from unnest(array[1, 23, 25, 48]) as age (hours)`,
      [now],
    )
    expect(await prune(database, quiet)).to.include({ idempotency_keys: 2 })
    const left = await database.query('select key from idempotency_keys order by key')
    expect(left).to.deep.equal([{ key: '1' }, { key: '23' }])
  })

  it('deletes expired webhook secrets, and none that is still valid', async () => {
    await database.execute(
      `with added as (
        insert into webhooks (webhook_id, owner, url, event_types, type_patterns)
        values (uuidv7(), 'ada', 'https://receiver.example/', '{*}', '{%}')
        returning webhook_id
      )
      insert into webhook_secrets (webhook_id, secret, created_at, expires_at)
      select webhook_id, age::text, now() - age, now() + interval '1 day' - age
      from added, unnest('{2 days,1 hour}'::interval[]) as age`,
    )
    expect(await prune(database, quiet)).to.include({ webhook_secrets: 1 })
    expect(await database.query('select secret from webhook_secrets')).to.deep.equal([{ secret: '01:00:00' }])
    await database.execute('delete from webhooks')
  })

  it('deletes nothing when no row has expired', async () => {
    expect(await prune(database, quiet)).to.deep.equal({
      outbox_events: 0,
      processed_events: 0,
      job_trials: 0,
      rate_limits: 0,
      webhook_attempts: 0,
      webhook_deliveries: 0,
      webhook_secrets: 0,
      webhooks: 0,
      idempotency_keys: 0,
    })
  })
})
