import { expect } from 'chai'
import type { PgBoss } from 'pg-boss'
import type { Database } from '../../src/db/database.ts'
import { NotMigrated } from '../../src/db/migrations.ts'
import { createQueues, startBoss } from '../../src/jobs/boss.ts'
import { insertOrRefuse } from '../../src/jobs/insert-or-refuse.ts'
import { changePolicy } from '../../src/jobs/queue-tables.ts'
import { eventQueues } from '../../src/jobs/queues.ts'
import { dispatchBatch } from '../../src/outbox/dispatch-batch.ts'
import { newId } from '../../src/platform/ids.ts'
import { webhookFanOut } from '../../src/webhooks/fan-out.ts'
import { quiet } from '../support/log.ts'
import { addMenu, place, stockOf } from '../support/pipeline.ts'
import { startWorker } from '../support/start-role.ts'
import { openTestDatabase, testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'

const QUEUE = 'inventory.deduct'
const RETENTION_MINUTES = 10_080

describe('an event queue', () => {
  let database: Database
  let url: string
  let boss: PgBoss
  let close: () => Promise<void>

  beforeEach(async () => {
    const test = await openTestDatabase()
    database = test.database
    url = test.url
    close = test.close
    boss = await startBoss(database, 'migrator', 'test', quiet)
  })
  afterEach(async () => {
    await boss.stop({ graceful: false })
    await close()
  })

  interface JobRow {
    id: string
    state: string
    retry_count: number
    singleton_key: string | null
    policy: string
    start_after: Date
  }
  const jobs = () =>
    database.query<JobRow>(
      `select id, state, retry_count, singleton_key, policy, start_after from pgboss.job where name = $1 order by id`,
      [QUEUE],
    )
  const job = (eventId: string, id = newId()) => ({ id, singletonKey: eventId, data: { event_id: eventId } })
  const insert = (...given: ReturnType<typeof job>[]) =>
    database.transaction(tx => insertOrRefuse(tx, boss, QUEUE, given))
  const setState = (id: string, state: string, more = '') =>
    database.execute(`update pgboss.job set state = $1 ${more} where name = '${QUEUE}' and id = $2`, [
      state,
      id,
    ])
  const dispatch = () =>
    database.transaction(tx => dispatchBatch(tx, { boss, fanOut: webhookFanOut, log: quiet }, 500))

  it('has the id of the event as the singleton key of each job', async () => {
    const menu = await addMenu(database, 5)
    await place(database, menu)
    await dispatch()
    const [placed] = await database.query<{ event_id: string }>('select event_id from outbox_events')
    const [found] = await jobs()
    expect(found).to.include({ id: placed?.event_id, singleton_key: placed?.event_id })
  })

  for (const state of ['created', 'retry', 'active']) {
    it(`refuses a second job of an event whose job is ${state}`, async () => {
      const first = job(newId())
      await insert(first)
      await setState(first.id, state)
      const second = job(first.singletonKey)
      const other = job(newId())
      expect(await insert(second, other)).to.deep.equal(new Set([second.id]))
      expect((await jobs()).map(({ id }) => id)).to.deep.equal([first.id, other.id])
    })
  }

  it('takes a new job of an event whose job is completed, but none of the same id', async () => {
    const first = job(newId())
    await insert(first)
    await setState(first.id, 'completed')
    expect(await insert(first)).to.deep.equal(new Set([first.id]))
    expect(await insert(job(first.singletonKey))).to.deep.equal(new Set())
  })

  it('keeps every job that comes without a key, under the id of its event or its own', async () => {
    const eventId = newId()
    const ids = [newId(), newId(), newId()]
    await boss.insert(QUEUE, [
      { id: ids[0] as string, data: { event_id: eventId } },
      { id: ids[1] as string, data: {} },
      { id: ids[2] as string },
    ])
    expect((await jobs()).map(({ singleton_key }) => singleton_key)).to.deep.equal([eventId, ids[1], ids[2]])
  })

  it('quarantines an event whose job is refused, and never marks it dispatched', async () => {
    const menu = await addMenu(database, 5)
    const orders = [await place(database, menu), await place(database, menu)]
    const [event] = await database.query<{ event_id: string }>(
      'select event_id from outbox_events where order_id = $1',
      [orders[0]],
    )
    await insert(job(event?.event_id ?? ''))
    expect(await dispatch()).to.deep.equal({ claimed: 2, quarantined: 1 })
    const rows = await database.query<{ order_id: string; dispatched: boolean; error: string | null }>(
      'select order_id, dispatched_at is not null as dispatched, error from outbox_events order by event_id',
    )
    expect(rows.map(({ order_id, dispatched }) => [order_id, dispatched])).to.deep.equal([
      [orders[0], false],
      [orders[1], true],
    ])
    expect(rows[0]?.error).to.match(/^JobsRefused: inventory\.deduct refused job [^ ]+: the queue has/)
  })

  describe('of an earlier version, without keys', () => {
    beforeEach(async () => {
      const { batchSize: _, localConcurrency: __, policy: ___, ...options } = eventQueues[QUEUE]
      await changePolicy(database, { name: QUEUE, ...options })
      await database.execute(
        `do $$ begin
          execute (select format('drop trigger a_job_without_a_key_gets_the_id_of_its_event on pgboss.%I', table_name)
            from pgboss.queue where name = '${QUEUE}');
        end $$`,
      )
    })

    it('keeps its waiting, retrying, active and failed jobs when migrate creates it again', async () => {
      const ids = Array.from({ length: 5 }, () => newId())
      const [waiting = '', retrying = '', active = '', failed = '', completed = ''] = ids
      const copy = newId()
      await boss.insert(QUEUE, [
        ...ids.map(id => ({ id, data: { event_id: id } })),
        // A redriven copy of the active job, which was possible on the old queue.
        { id: copy, data: { event_id: active } },
      ])
      await setState(retrying, 'retry', `, retry_count = 3, start_after = '2030-01-01T00:00:00Z'`)
      await setState(active, 'active', ', retry_count = 1')
      await setState(failed, 'failed', ', retry_count = 12')
      await setState(completed, 'completed')
      await createQueues(database, boss, RETENTION_MINUTES)
      expect(await boss.getQueue(QUEUE)).to.include({ policy: 'exclusive', notify: true, retryLimit: 12 })
      const kept = await jobs()
      expect(kept.map(({ id, state, retry_count }) => [id, state, retry_count])).to.deep.equal([
        [waiting, 'created', 0],
        [retrying, 'retry', 3],
        [active, 'active', 1],
        [failed, 'failed', 12],
      ])
      for (const { id, singleton_key, policy } of kept)
        expect([singleton_key, policy], id).to.deep.equal([id, 'exclusive'])
      expect(kept[1]?.start_after).to.deep.equal(new Date('2030-01-01T00:00:00Z'))
      const [more] = await database.query<{ exists: boolean }>(
        `select exists (select from pg_trigger where tgname = 'a_job_without_a_key_gets_the_id_of_its_event'
          and tgrelid = (select format('pgboss.%I', table_name)::regclass from pgboss.queue where name = '${QUEUE}'))`,
      )
      expect(more?.exists).to.equal(true)
    })

    it('is worked after migrate: its waiting and retried jobs have their effect', async () => {
      const menu = await addMenu(database, 5)
      await place(database, menu)
      await place(database, menu)
      await dispatch()
      await createQueues(database, boss, RETENTION_MINUTES)
      const worker = await startWorker(testConfig, url, quiet)
      await until('both are deducted', async () => (await stockOf(database, menu))[0] === 3)
      await worker.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    })

    it('stops a process from starting, with a sentence', async () => {
      for (const role of ['producer', 'consumer'] as const) {
        const refusal = await startBoss(database, role, 'test', quiet).catch((error: Error) => error)
        expect(refusal)
          .to.be.instanceOf(NotMigrated)
          .and.have.property(
            'message',
            'queue inventory.deduct has the policy standard: run `npm run migrate`',
          )
      }
    })
  })
})
