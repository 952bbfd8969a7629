import { expect } from 'chai'
import type { PgBoss } from 'pg-boss'
import type { Database } from '../../src/db/database.ts'
import { startBoss } from '../../src/jobs/boss.ts'
import { dispatchBatch } from '../../src/outbox/dispatch-batch.ts'
import { startWorker } from '../../src/processes/worker.ts'
import { quiet } from '../support/log.ts'
import { addMenu, type Menu, place, statusOf } from '../support/slow-path.ts'
import { openTestDatabase, testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'
import { addDeadLetter, quarantine } from './troubles.ts'

describe('ops.stuck_orders', () => {
  let database: Database
  let url: string
  let boss: PgBoss
  let close: () => Promise<void>
  let menu: Menu

  beforeEach(async () => {
    const test = await openTestDatabase()
    ;({ database, url, close } = test)
    boss = await startBoss(database, 'producer', 'test', quiet)
    menu = await addMenu(database, 10)
  })
  afterEach(async () => {
    await boss.stop({ graceful: false })
    await close()
  })

  const rows = (view: string, rest = '') =>
    database.query<Record<string, unknown>>(`select * from ops.${view} ${rest}`)
  const dispatch = () => database.transaction(tx => dispatchBatch(tx, boss, 500, quiet))
  const age = (sql: string, order: string) => database.execute(sql, [order])

  async function withWorker(work: () => Promise<void>): Promise<void> {
    const worker = await startWorker(testConfig, url, quiet)
    try {
      await work()
    } finally {
      await worker.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    }
  }

  it('finds nothing where everything gets on', async () => {
    const order = await place(database, menu)
    await dispatch()
    await withWorker(async () => {
      await until('it is prepared', async () => (await statusOf(database, order)) === 'PREPARING')
    })
    await dispatch()
    await database.execute(`update orders set placed_at = now() - interval '1 hour'`)
    expect(await rows('stuck_orders')).to.deep.equal([])
    expect(await rows('stuck_jobs')).to.deep.equal([])
  })

  /** What is done to an order of which the first job is in its queue, and the reason that has to be found. */
  const reasons: Record<string, (order: string) => Promise<unknown>> = {
    NOT_DISPATCHED: order =>
      age(
        `update outbox_events set dispatched_at = null, created_at = now() - interval '2 minutes' where order_id = $1`,
        order,
      ),
    QUARANTINED: order => quarantine(database, order),
    WAITING: () =>
      database.execute(
        `update pgboss.job set start_after = now() - interval '2 minutes' where state = 'created'`,
      ),
    PAUSED: async () => {
      await database.execute(
        `insert into paused_queues (queue, actor, reason) values ('inventory.deduct', 'ada', 'test')`,
      )
      await database.execute(
        `update pgboss.job set start_after = now() - interval '2 minutes' where state = 'created'`,
      )
    },
    RETRYING: () =>
      database.execute(
        `update pgboss.job set state = 'retry', retry_count = 2, created_on = now() - interval '2 minutes',
          start_after = now() + interval '1 minute', output = '{"message":"lock timeout"}'`,
      ),
    SILENT: () =>
      database.execute(
        `update pgboss.job set state = 'active', started_on = now() - interval '30 seconds',
          heartbeat_on = now() - interval '20 seconds'`,
      ),
    OVERDUE: () =>
      database.execute(`update pgboss.job set state = 'active', started_on = now() - interval '2 minutes'`),
    DEAD_LETTER: async order => {
      await database.execute(`update pgboss.job set state = 'failed', completed_on = now()`)
      await addDeadLetter(database, 'inventory.deduct', order)
    },
    LOST: async order => {
      await age(`update orders set placed_at = now() - interval '2 minutes' where order_id = $1`, order)
      await database.execute('delete from pgboss.job')
    },
  }

  for (const [reason, cause] of Object.entries(reasons)) {
    it(`names an order that is ${reason}`, async () => {
      const order = await place(database, menu)
      await dispatch()
      await cause(order)
      const [stuck, ...others] = await rows('stuck_orders')
      expect(stuck).to.include({ order_id: order, status: 'PLACED', reason })
      expect(others).to.deep.equal([])
      if (reason === 'RETRYING')
        expect(stuck).to.include({
          error: 'lock timeout',
          attempts: 2,
          max_attempts: 13,
          queue: 'inventory.deduct',
        })
    })
  }
})
