import { expect } from 'chai'
import { place, statusOf } from '../support/pipeline.ts'
import { until } from '../support/until.ts'
import { addDeadLetter, quarantine } from './incidents.ts'
import { OperatedDatabase } from './operated-database.ts'

describe('ops.stuck_orders', () => {
  let operated: OperatedDatabase

  beforeEach(async () => {
    operated = await OperatedDatabase.open()
  })
  afterEach(() => operated.close())

  it('returns no rows while all orders progress', async () => {
    const order = await place(operated.database, operated.menu)
    await operated.dispatch()
    await operated.withWorker(async () => {
      await until('it is prepared', async () => (await statusOf(operated.database, order)) === 'PREPARING')
    })
    await operated.dispatch()
    await operated.database.execute(`update orders set placed_at = now() - interval '1 hour'`)
    expect(await operated.rows('stuck_orders')).to.deep.equal([])
    expect(await operated.rows('stuck_jobs')).to.deep.equal([])
  })

  /** For each reason, the change to an order with a queued first job that causes it. */
  const reasons: Record<string, (order: string) => Promise<unknown>> = {
    NOT_DISPATCHED: order =>
      operated.age(
        `update outbox_events set dispatched_at = null, created_at = now() - interval '2 minutes' where order_id = $1`,
        order,
      ),
    QUARANTINED: order => quarantine(operated.database, order),
    WAITING: () =>
      operated.database.execute(
        `update pgboss.job set start_after = now() - interval '2 minutes' where state = 'created'`,
      ),
    PAUSED: async () => {
      await operated.database.execute(
        `insert into paused_queues (queue, actor, reason) values ('inventory.deduct', 'ada', 'test')`,
      )
      await operated.database.execute(
        `update pgboss.job set start_after = now() - interval '2 minutes' where state = 'created'`,
      )
    },
    RETRYING: () =>
      operated.database.execute(
        `update pgboss.job set state = 'retry', retry_count = 2, created_on = now() - interval '2 minutes',
          start_after = now() + interval '1 minute', output = '{"message":"lock timeout"}'`,
      ),
    SILENT: () =>
      operated.database.execute(
        `update pgboss.job set state = 'active', started_on = now() - interval '30 seconds',
          heartbeat_on = now() - interval '20 seconds'`,
      ),
    OVERDUE: () =>
      operated.database.execute(
        `update pgboss.job set state = 'active', started_on = now() - interval '2 minutes'`,
      ),
    DEAD_LETTER: async order => {
      await operated.database.execute(`update pgboss.job set state = 'failed', completed_on = now()`)
      await addDeadLetter(operated.database, 'inventory.deduct', order)
    },
    LOST: async order => {
      await operated.age(
        `update orders set placed_at = now() - interval '2 minutes' where order_id = $1`,
        order,
      )
      await operated.database.execute('delete from pgboss.job')
    },
  }

  for (const [reason, cause] of Object.entries(reasons)) {
    it(`lists an order that is ${reason}`, async () => {
      const order = await place(operated.database, operated.menu)
      await operated.dispatch()
      await cause(order)
      const [stuck, ...others] = await operated.rows('stuck_orders')
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
