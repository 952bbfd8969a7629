import { expect } from 'chai'
import type { PgBoss } from 'pg-boss'
import type { Database } from '../../src/db/database.ts'
import { stockJobs } from '../../src/inventory/stock-jobs.ts'
import { startBoss } from '../../src/jobs/boss.ts'
import { orderJobs } from '../../src/orders/order-jobs.ts'
import type { Consumers } from '../../src/outbox/chain-steps.ts'
import { consumeEvents } from '../../src/outbox/consume-events.ts'
import { dispatchBatch } from '../../src/outbox/dispatch-batch.ts'
import { webhookFanOut } from '../../src/webhooks/fan-out.ts'
import { quiet } from '../support/log.ts'
import { addMenu, type Menu, place, statusOf, stockOf } from '../support/pipeline.ts'
import { openTestDatabase } from '../support/system.ts'
import { until } from '../support/until.ts'

describe('chained steps', () => {
  let database: Database
  let close: () => Promise<void>
  let menu: Menu
  let boss: PgBoss
  const publisher = () => ({ boss, fanOut: webhookFanOut, log: quiet })

  beforeEach(async () => {
    const test = await openTestDatabase()
    database = test.database
    close = test.close
    menu = await addMenu(database, 100)
    boss = await startBoss(database, 'consumer', 'test', quiet)
  })
  afterEach(async () => {
    await boss.stop({ graceful: false })
    await close()
  })

  const handlers = { ...stockJobs, ...orderJobs }
  const work = (queue: keyof typeof handlers, consumers: Partial<Consumers> = {}) =>
    consumeEvents(database, publisher(), queue, { handlers, isWorked: () => true, ...consumers })
  const dispatch = () => database.transaction(tx => dispatchBatch(tx, publisher(), 500))
  const placeMany = (count: number) => Promise.all(Array.from({ length: count }, () => place(database, menu)))
  const jobsOf = (queue: string) =>
    database.query<{ state: string; order_id: string }>(
      `select state, data ->> 'order_id' as order_id from pgboss.job where name = $1`,
      [queue],
    )
  const untilDeducted = (count: number) =>
    until('the stock is deducted', async () => (await stockOf(database, menu))[0] === 100 - count)

  async function statuses(orderIds: readonly string[]): Promise<Set<string | undefined>> {
    return new Set(await Promise.all(orderIds.map(id => statusOf(database, id))))
  }

  const processedBy = async (orderId: string) =>
    (
      await database.query<{ consumer: string }>(
        `select p.consumer from processed_events as p join outbox_events as e using (event_id)
        where e.order_id = $1 order by p.consumer`,
        [orderId],
      )
    ).map(({ consumer }) => consumer)

  it('handle all orders of a batch in one subtransaction of their deduction, without a job', async () => {
    const orders = await placeMany(70)
    await dispatch()
    await work('inventory.deduct')
    await untilDeducted(70)
    expect(await statuses(orders)).to.deep.equal(new Set(['PREPARING']))
    expect(await jobsOf('order.prepare')).to.deep.equal([])
    for (const order of orders)
      expect(await processedBy(order)).to.deep.equal(['inventory.deduct', 'order.prepare'])
    const subtransactions = await database.query(
      `select distinct xmin::text from processed_events where consumer = 'order.prepare'`,
    )
    expect(subtransactions).to.have.length(1)
  })

  it('reject what is out of stock, and queue the restore that follows', async () => {
    const small = await addMenu(database, 0)
    const order = await place(database, small)
    await dispatch()
    await work('inventory.deduct')
    await until('the order is rejected', async () => (await statusOf(database, order)) === 'CANCELLED')
    expect(await jobsOf('order.reject')).to.deep.equal([])
    expect(await jobsOf('inventory.restore')).to.deep.equal([{ state: 'created', order_id: order }])
  })

  it('all become jobs when one of them throws, and the deductions are kept', async () => {
    const orders = await placeMany(3)
    const last = orders[2]
    await dispatch()
    await work('inventory.deduct', {
      handlers: {
        ...handlers,
        'order.prepare': async (tx, events, locked) => {
          const handled = await orderJobs['order.prepare'](tx, events, locked)
          await tx.flush()
          if (events.some((event: { order_id: string }) => event.order_id === last)) throw new Error('no')
          return handled
        },
      },
    })
    await untilDeducted(3)
    expect(await statuses(orders)).to.deep.equal(new Set(['PLACED']))
    expect(await jobsOf('order.prepare')).to.have.length(3)
    await work('order.prepare')
    await until('all are prepared', async () => [...(await statuses(orders))].join() === 'PREPARING')
  })

  it('become jobs while their queue is paused', async () => {
    const orders = await placeMany(2)
    await dispatch()
    await work('inventory.deduct', { isWorked: queue => queue !== 'order.prepare' })
    await untilDeducted(2)
    expect(await statuses(orders)).to.deep.equal(new Set(['PLACED']))
    expect(await jobsOf('order.prepare')).to.have.length(2)
  })

  it('of a retried job become jobs, since one of them may have crashed its process', async () => {
    const [order = ''] = await placeMany(1)
    await dispatch()
    await database.execute(
      `update pgboss.job set state = 'retry', retry_count = 1 where name = 'inventory.deduct'`,
    )
    await work('inventory.deduct')
    await untilDeducted(1)
    expect(await statusOf(database, order)).to.equal('PLACED')
    expect(await jobsOf('order.prepare')).to.deep.equal([{ state: 'created', order_id: order }])
  })

  it('fail together with the deduction when the deduction fails', async () => {
    const [order = ''] = await placeMany(1)
    await dispatch()
    await database.execute('update menu_items set available_qty = 0')
    await work('inventory.deduct', {
      handlers: {
        ...handlers,
        // The statement of the deduction is pipelined and fails only when it is awaited.
        'inventory.deduct': async (tx, events) => {
          const handled = await stockJobs['inventory.deduct'](tx, events)
          tx.pipeline(tx.execute('update menu_items set available_qty = -1'))
          return handled
        },
      },
    })
    await until(
      'the job has failed once',
      async () => (await jobsOf('inventory.deduct'))[0]?.state === 'retry',
    )
    const [job] = await database.query<{ message: string }>(
      `select output ->> 'message' as message from pgboss.job where name = 'inventory.deduct'`,
    )
    expect(job?.message).to.match(/violates check constraint/)
    expect(await processedBy(order)).to.deep.equal([])
  })
})
