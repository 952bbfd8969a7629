import { expect } from 'chai'
import type { PgBoss } from 'pg-boss'
import type { QueryRunner } from 'typeorm'
import { QueueDeliveriesInTheirTable1797100000000 } from '../../migrations/1797100000000-queue-deliveries-in-their-table.ts'
import type { Database } from '../../src/db/database.ts'
import { startBoss } from '../../src/jobs/boss.ts'
import { migrate } from '../../src/processes/migrate.ts'
import { quiet } from '../support/log.ts'
import { openTestDatabase } from '../support/system.ts'

const QUEUE = 'downstream.deliver'
const DELIVERY_COUNT = 9

/** The test numbers the deliveries, and the jobs of another id than their delivery. */
const id = (n: number) => `00000000-0000-7000-8000-00000000000${n}`

describe('the migration of webhook deliveries from the queue of pg-boss to their table', () => {
  let database: Database
  let boss: PgBoss
  let url: string
  let close: () => Promise<void>
  const migration = new QueueDeliveriesInTheirTable1797100000000()

  const runner = () =>
    ({ query: (sql: string) => database.executeSql(sql).then(({ rows }) => rows) }) as unknown as QueryRunner

  beforeEach(async () => {
    ;({ database, close, url } = await openTestDatabase())
    await migration.down(runner())
    boss = await startBoss(database, 'migrator', 'test', quiet)
    await boss.createQueue(QUEUE, { retryLimit: 9, partition: true })
  })
  afterEach(async () => {
    await boss.stop({ graceful: false })
    await close()
  })

  /** Inserts deliveries and jobs as the previous version leaves them. */
  async function fillPreviousVersion(): Promise<void> {
    await database.execute(
      `insert into webhook_deliveries (delivery_id, webhook_id, event_id, type, order_id, sequence, state, job_id, attempts,
        next_attempt_at, settled_at, reason)
      select ('00000000-0000-7000-8000-00000000000' || n)::uuid, uuidv7(), uuidv7(), 'order.placed.v1', uuidv7(), 1,
        state, job::uuid, attempts, next::timestamptz, settled::timestamptz, reason
      from (values
        (1, 'QUEUED', null, 0, null, null, null),
        (2, 'QUEUED', null, 3, '2126-01-01Z', null, null),
        (3, 'QUEUED', '00000000-0000-7000-8000-000000000033', 1, null, null, null),
        (4, 'AWAITS_TURN', null, 0, null, null, null),
        (5, 'AWAITS_ROOM', null, 0, null, null, null),
        (6, 'QUEUED', null, 9, null, null, null),
        (7, 'DEAD', null, 10, null, '2026-11-01Z', null),
        (8, 'DEAD', null, 10, null, '2026-11-01Z', null),
        (9, 'DELIVERED', null, 1, null, '2026-11-01Z', null)
      ) as d (n, state, job, attempts, next, settled, reason)`,
    )
    await database.execute(
      `insert into pgboss.job (id, name, data, state, retry_limit, retry_count, start_after, started_on, completed_on)
      select job::uuid, $1, jsonb_build_object('delivery_id', '00000000-0000-7000-8000-00000000000' || n), state::pgboss.job_state,
        9, retries, coalesce(start::timestamptz, now()), started::timestamptz, completed::timestamptz
      from (values
        (1, '00000000-0000-7000-8000-000000000001', 'created', 0, null, null, null),
        (2, '00000000-0000-7000-8000-000000000002', 'retry', 2, '2126-01-01Z', '2026-11-01Z', null),
        (3, '00000000-0000-7000-8000-000000000033', 'active', 1, null, '2026-11-01Z', null),
        (6, '00000000-0000-7000-8000-000000000006', 'failed', 9, null, '2026-11-01Z', '2026-11-02Z'),
        (7, '00000000-0000-7000-8000-000000000007', 'failed', 9, null, '2026-11-01Z', '2026-11-02Z'),
        (8, '00000000-0000-7000-8000-000000000088', 'created', 0, null, null, null),
        (9, '00000000-0000-7000-8000-000000000009', 'completed', 0, null, '2026-11-01Z', '2026-11-01Z')
      ) as j (n, job, state, retries, start, started, completed)`,
      [QUEUE],
    )
  }

  it('carries over waiting, retried, running, failed and redriven deliveries, and deletes their jobs', async () => {
    await fillPreviousVersion()
    await migration.up(runner())
    const rows = await database.query<Record<string, unknown>>(
      `select state, tries, attempts, case
          when next_attempt_at is null then 'none' when next_attempt_at > now() then 'later' else 'now'
        end as next,
        leased_until > now() as leased, requested_at is not null as requested, settled_at is not null as settled
      from webhook_deliveries
      order by delivery_id`,
    )
    const pending = { state: 'PENDING', next: 'now', leased: null, requested: false, settled: false }
    const finished = { tries: 0, next: 'none', leased: null, requested: false, settled: true }
    expect(rows).to.deep.equal([
      { ...pending, tries: 0, attempts: 0 },
      { ...pending, tries: 3, attempts: 3, next: 'later' },
      { ...pending, tries: 2, attempts: 1, leased: true },
      { ...pending, tries: 0, attempts: 0 },
      { ...pending, tries: 0, attempts: 0 },
      { ...finished, state: 'DEAD', attempts: 9 },
      { ...finished, state: 'DEAD', attempts: 10 },
      { ...pending, tries: 0, attempts: 10, requested: true },
      { ...finished, state: 'DELIVERED', attempts: 1 },
    ])
    expect(rows).to.have.lengthOf(DELIVERY_COUNT)
    expect(await database.query('select from pgboss.job where name = $1', [QUEUE])).to.deep.equal([])
    await migration.down(runner())
  })

  it('makes what dispatchers and APIs of the previous version write due', async () => {
    await fillPreviousVersion()
    await migration.up(runner())
    const [dispatched] = await database.query<{ delivery_id: string }>(
      `insert into webhook_deliveries (webhook_id, event_id, type) values (uuidv7(), uuidv7(), 'order.placed.v1') returning delivery_id`,
    )
    const [tested] = await database.query<{ delivery_id: string }>(
      `insert into webhook_deliveries (webhook_id, event_id, type, state, requested_at)
      values (uuidv7(), uuidv7(), 'webhook.test', 'AWAITS_ROOM', clock_timestamp()) returning delivery_id`,
    )
    await database.execute(
      `update webhook_deliveries set state = 'AWAITS_ROOM', requested_at = clock_timestamp(), next_attempt_at = null, settled_at = null
      where delivery_id = $1`,
      [id(9)],
    )
    const ids = [dispatched?.delivery_id, tested?.delivery_id, id(9)]
    const due = await database.query(
      `select from webhook_deliveries where delivery_id = any($1::uuid[]) and state = 'PENDING' and next_attempt_at <= now()`,
      [ids],
    )
    expect(due).to.have.lengthOf(3)
    await migration.down(runner())
  })

  it('deletes the queue of pg-boss, unless dispatchers or workers of the previous version may run', async () => {
    await migration.up(runner())
    await database.execute(
      `insert into process_heartbeats (process_id, role, host, pid, version, working_on)
      values (uuidv7(), 'dispatcher', 'here', 1, '0', '[]')`,
    )
    await migrate(url, quiet)
    expect(await boss.getQueue(QUEUE)).to.not.equal(null)
    const queues = await database.query('select queue from ops.queues where queue = $1', [QUEUE])
    expect(queues, 'the row of the deliveries').to.have.lengthOf(1)
    await database.execute('update process_heartbeats set stopped_at = now()')
    await migrate(url, quiet)
    expect(await boss.getQueue(QUEUE)).to.equal(null)
  })
})
