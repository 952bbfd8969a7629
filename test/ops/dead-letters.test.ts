import { expect } from 'chai'
import type { PgBoss } from 'pg-boss'
import type { Database } from '../../src/db/database.ts'
import { startBoss } from '../../src/jobs/boss.ts'
import {
  type DeadLetterFilter,
  discardDeadLetters,
  findDeadLetters,
  redriveDeadLetters,
} from '../../src/ops/actions/dead-letters.ts'
import { newId } from '../../src/platform/ids.ts'
import type { Service } from '../../src/processes/service.ts'
import { expectInvariants } from '../support/invariants.ts'
import { quiet } from '../support/log.ts'
import { addMenu, eventsOf, type Menu, place, statusOf, stockOf } from '../support/pipeline.ts'
import { startDispatcher, startWorker } from '../support/start-role.ts'
import { openTestDatabase, testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'

const operator = { actor: 'night shift', reason: 'the cause is mended' }
const OLD_EVENT = '01900000-0000-7000-8000-000000000000' // of June 2024

describe('dead letters', () => {
  let database: Database
  let url: string
  let boss: PgBoss
  let menu: Menu
  let services: Service[]
  let close: () => Promise<void>

  beforeEach(async () => {
    const test = await openTestDatabase()
    database = test.database
    url = test.url
    close = test.close
    menu = await addMenu(database, 10)
    boss = await startBoss(database, 'producer', 'test', quiet)
    services = [await startDispatcher(testConfig, url, quiet), await startWorker(testConfig, url, quiet)]
  })
  afterEach(async () => {
    for (const service of services) await service.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    await boss.stop({ graceful: false })
    await close()
  })

  /**
   * Places an order whose deduction uses up its attempts; the trigger that fails it is then
   * dropped.
   */
  async function deadOrder(): Promise<string> {
    await database.execute(
      `create function refuse() returns trigger language plpgsql as $$ begin raise 'no stock book today'; end $$`,
    )
    await database.execute(
      'create trigger refuse before insert on stock_movements for each row execute function refuse()',
    )
    await database.execute('update pgboss.queue set retry_limit = 0')
    const order = await place(database, menu)
    await until(
      'it is a dead letter',
      async () => (await findDeadLetters(database, { ids: [order] }, 1)).length === 1,
    )
    await database.execute('drop function refuse cascade')
    return order
  }

  /** Inserts a dead letter of an arbitrary event. */
  async function insertLetter(letter: Record<string, unknown>): Promise<string> {
    const dead_letter_id = newId()
    const row = {
      queue: 'order.prepare',
      job_id: newId(),
      attempts: 13,
      first_queued_at: new Date(),
      dead_at: new Date(),
      error: { message: 'deadlock detected' },
      data: {},
      ...letter,
      dead_letter_id,
    }
    await database.execute(
      `insert into dead_letters (dead_letter_id, queue, job_id, event_id, event_type, order_id, data, error, attempts, first_queued_at, dead_at)
      select dead_letter_id, queue, job_id, event_id, event_type, order_id, data, error, attempts, first_queued_at, dead_at
      from json_populate_record(null::dead_letters, $1)`,
      [JSON.stringify(row)],
    )
    return dead_letter_id
  }

  const redrive = (filter: DeadLetterFilter) =>
    database.transaction(tx => redriveDeadLetters(tx, boss, filter, 100, operator))

  it('are processed when they are redriven after the cause was fixed', async () => {
    const order = await deadOrder()
    await expectInvariants(database)
    const { done, refused } = await redrive({ ids: [order] })
    expect(done.map(({ order_id }) => order_id)).to.deep.equal([order])
    expect(refused).to.deep.equal([])
    await until('the order is prepared', async () => (await statusOf(database, order)) === 'PREPARING')
    expect(await stockOf(database, menu)).to.deep.equal([9])
    expect(await findDeadLetters(database, {}, 10)).to.deep.equal([])
    await expectInvariants(database)
  })

  it('have no second effect when their event was processed already', async () => {
    const order = await place(database, menu)
    await until('the order is prepared', async () => (await statusOf(database, order)) === 'PREPARING')
    const [event] = await eventsOf(database, order, 'order.placed.v1')
    await insertLetter({
      queue: 'inventory.deduct',
      event_id: event?.event_id,
      event_type: event?.type,
      order_id: order,
      data: event,
    })
    await redrive({ ids: [order] })
    await until('the job is done', async () => {
      const jobs = await database.query(
        `select 1 from pgboss.job where name = 'inventory.deduct' and state = 'completed'`,
      )
      return jobs.length === 2
    })
    expect(await stockOf(database, menu)).to.deep.equal([9])
    await expectInvariants(database)
  })

  it('stay open when their event has an unfinished job', async () => {
    const event_id = newId()
    await boss.insert('order.reject', [{ id: newId(), singletonKey: event_id, startAfter: 600 }])
    const waiting = await insertLetter({ queue: 'order.reject', event_id, event_type: 'order.placed.v1' })
    const { done, refused } = await redrive({})
    expect(done).to.deep.equal([])
    expect(refused.map(({ dead_letter_id }) => dead_letter_id)).to.deep.equal([waiting])
    const open = await findDeadLetters(database, {}, 10)
    expect(open.map(({ dead_letter_id, fate }) => [dead_letter_id, fate])).to.deep.equal([[waiting, 'OPEN']])
  })

  it('are not redriven when their event is older than processed events are kept', async () => {
    const old = await insertLetter({ event_id: OLD_EVENT, event_type: 'order.placed.v1' })
    const { done, refused } = await redrive({})
    expect(done).to.deep.equal([])
    expect(refused.map(({ dead_letter_id }) => dead_letter_id)).to.deep.equal([old])
    expect(await findDeadLetters(database, {}, 10)).to.have.length(1)
    expect(await database.query('select * from ops_audit')).to.deep.equal([])
  })

  it('are selected by id, event type, error and time', async () => {
    const event_id = newId()
    const order_id = newId()
    const timeout = await insertLetter({
      event_id,
      order_id,
      event_type: 'order.placed.v1',
      error: { message: 'Query read timeout' },
    })
    const earlier = await insertLetter({
      event_id: newId(),
      event_type: 'order.cancelled.v1',
      dead_at: new Date('2026-01-01T00:00:00Z'),
    })
    const found = async (filter: DeadLetterFilter) =>
      (await findDeadLetters(database, filter, 10)).map(({ dead_letter_id }) => dead_letter_id)
    expect(await found({})).to.deep.equal([earlier, timeout])
    for (const id of [timeout, event_id, order_id])
      expect(await found({ ids: [id] })).to.deep.equal([timeout])
    expect(await found({ type: 'order.cancelled.v1' })).to.deep.equal([earlier])
    expect(await found({ error: 'READ TIMEOUT' })).to.deep.equal([timeout])
    expect(await found({ until: new Date('2026-06-01T00:00:00Z') })).to.deep.equal([earlier])
    expect(await found({ since: new Date('2026-06-01T00:00:00Z') })).to.deep.equal([timeout])
    expect(await found({ error: 'timeout', until: new Date('2026-06-01T00:00:00Z') })).to.deep.equal([])
    const message = 'relation "menu" is gone\non line 1'
    const quoted = await insertLetter({ event_id: newId(), error: { message } })
    for (const error of [message, 'RELATION "MENU"'])
      expect(await found({ error }), error).to.deep.equal([quoted])
  })

  it('stay on record after a decision, with an audit of operator, action and reason', async () => {
    const closed = await insertLetter({ event_id: newId(), event_type: 'order.placed.v1' })
    await database.transaction(tx => discardDeadLetters(tx, { ids: [closed] }, 10, operator))
    const order = await deadOrder()
    await redrive({ type: 'order.placed.v1' })
    const audits = await database.query<Record<string, unknown>>(
      'select actor, action, reason, details from ops_audit order by at',
    )
    expect(audits.map(({ action }) => action)).to.deep.equal(['discard', 'redrive'])
    for (const audit of audits) expect(audit).to.include(operator)
    const letters = await database.query<{ fate: string; order_id: string | null }>(
      'select fate, order_id from dead_letters order by fate',
    )
    expect(letters).to.deep.equal([
      { fate: 'DISCARDED', order_id: null },
      { fate: 'REDRIVEN', order_id: order },
    ])
  })

  it('are redriven once when two operators redrive them at once', async () => {
    const order = await deadOrder()
    const outcomes = await Promise.all([redrive({}), redrive({})])
    expect(outcomes.map(({ done }) => done.length).toSorted((a, b) => a - b)).to.deep.equal([0, 1])
    await until('the order is prepared', async () => (await statusOf(database, order)) === 'PREPARING')
  })
})
