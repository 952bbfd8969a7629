import { expect } from 'chai'
import type { PgBoss } from 'pg-boss'
import type { Database } from '../../src/db/database.ts'
import { stockJobs } from '../../src/inventory/stock-jobs.ts'
import { startBoss } from '../../src/jobs/boss.ts'
import { orderJobs } from '../../src/orders/order-jobs.ts'
import { consumeEvents } from '../../src/outbox/consume-events.ts'
import { dispatchBatch } from '../../src/outbox/dispatch-batch.ts'
import type { EventHandler } from '../../src/outbox/event-handler.ts'
import { webhookFanOut } from '../../src/webhooks/fan-out.ts'
import { killChildren } from '../support/child.ts'
import { quiet } from '../support/log.ts'
import { addMenu, type Menu, place, stockOf } from '../support/pipeline.ts'
import { startRoleProcess, startWorker } from '../support/start-role.ts'
import { openTestDatabase, testConfig } from '../support/system.ts'
import { until, untilSlowly } from '../support/until.ts'

describe('a poisoned job', () => {
  let database: Database
  let url: string
  let menu: Menu
  let close: () => Promise<void>
  let poison: string
  let neighbours: string[]
  let boss: PgBoss

  beforeEach(async () => {
    const test = await openTestDatabase()
    database = test.database
    url = test.url
    close = test.close
    menu = await addMenu(database, 100)
    boss = await startBoss(database, 'consumer', 'test', quiet)
    neighbours = [await place(database, menu), await place(database, menu)]
    poison = await place(database, menu)
    neighbours.push(await place(database, menu))
    await database.transaction(tx => dispatchBatch(tx, { boss, fanOut: webhookFanOut, log: quiet }, 500))
  })
  afterEach(async () => {
    await boss.stop({ graceful: false })
    await close()
  })

  const deductWith = (handler: EventHandler<'order.placed.v1'>) =>
    consumeEvents(database, { boss, fanOut: webhookFanOut, log: quiet }, 'inventory.deduct', {
      handlers: { ...stockJobs, ...orderJobs, 'inventory.deduct': handler },
      isWorked: () => true,
    })

  /** Deducts stock, but throws for one order. */
  const chokingHandler: EventHandler<'order.placed.v1'> = async (tx, events) => {
    const handled = await stockJobs['inventory.deduct'](tx, events)
    if (events.some(event => event.order_id === poison)) throw new Error('cannot stomach this order')
    return handled
  }

  async function jobOf(orderId: string) {
    const [job] = await database.query<{
      state: string
      retry_count: number
      output: { message?: string } | null
    }>(
      `select state, retry_count, output from pgboss.job where name = 'inventory.deduct' and data ->> 'order_id' = $1`,
      [orderId],
    )
    return job
  }

  it('fails alone while its neighbours in the batch are completed without a retry', async () => {
    await deductWith(chokingHandler)
    const job = await until('the poison waits for its retry', async () => {
      const job = await jobOf(poison)
      return job?.state === 'retry' && job
    })
    expect(job.output?.message).to.equal('cannot stomach this order')
    for (const neighbour of neighbours) {
      await until('its neighbour is done', async () => (await jobOf(neighbour))?.state === 'completed')
      expect(await jobOf(neighbour)).to.include({ retry_count: 0 })
    }
    expect(await stockOf(database, menu)).to.deep.equal([97])
  })

  it('holds no locks between jobs that run one by one, so that two workers cannot deadlock', async () => {
    const lockable: number[] = []
    const handler: EventHandler<'order.placed.v1'> = async (tx, events) => {
      if (events.length > 1) throw new Error('one by one, please')
      const items = await database.query('select 1 from menu_items for update skip locked')
      lockable.push(items.length)
      return await stockJobs['inventory.deduct'](tx, events)
    }
    await deductWith(handler)
    await until('all are deducted', async () => (await stockOf(database, menu))[0] === 96)
    expect(lockable).to.deep.equal([1, 1, 1, 1])
  })

  it('is not assumed after a deadlock: the batch runs again at once and no retry is counted', async () => {
    let deadlocks = 0
    const handler: EventHandler<'order.placed.v1'> = async (tx, events) => {
      const handled = await stockJobs['inventory.deduct'](tx, events)
      if (deadlocks++ < 2) await tx.execute(`do $$ begin raise 'deadlock' using errcode = '40P01'; end $$`)
      return handled
    }
    await deductWith(handler)
    await until('all are deducted', async () => (await stockOf(database, menu))[0] === 96)
    expect(await jobOf(poison)).to.include({ state: 'completed', retry_count: 0 })
    expect(deadlocks).to.equal(3)
  })

  it('has no effect through a worker that has lost it', async () => {
    let worked = 0
    const handler: EventHandler<'order.placed.v1'> = async (tx, events) => {
      const handled = await stockJobs['inventory.deduct'](tx, events)
      // As if this worker was frozen while its job was given to another worker.
      await database.execute(
        `update pgboss.job set retry_count = retry_count + 1 where data ->> 'order_id' = $1 and retry_count = 0`,
        [poison],
      )
      worked++
      return handled
    }
    await deductWith(handler)
    await until('the neighbours are deducted', async () => (await stockOf(database, menu))[0] === 97)
    await until('all were tried', () => worked === 5)
    await boss.offWork('inventory.deduct', { wait: true })
    expect(await jobOf(poison)).to.include({ state: 'active', retry_count: 1 })
    expect(
      await database.query('select 1 from stock_movements where order_id = $1', [poison]),
      'its stock movements',
    ).to.deep.equal([])
  })

  it('is recorded in dead_letters when its retries are used up, and its order holds no stock', async () => {
    await database.execute(
      `update pgboss.job set retry_limit = 1, retry_delay = 0, retry_backoff = false where data ->> 'order_id' = $1`,
      [poison],
    )
    await deductWith(chokingHandler)
    await until('the poison has failed for good', async () => (await jobOf(poison))?.state === 'failed')
    await boss.offWork('inventory.deduct', { wait: true })
    const worker = await startWorker(testConfig, url, quiet)
    try {
      const letter = await until('the dead letter is recorded', async () => {
        const [letter] = await database.query<Record<string, unknown>>('select * from dead_letters')
        return letter
      })
      expect(letter).to.include({
        queue: 'inventory.deduct',
        order_id: poison,
        event_type: 'order.placed.v1',
        attempts: 2,
        fate: 'OPEN',
      })
      expect(letter['error']).to.have.property('message', 'cannot stomach this order')
      expect(letter['data']).to.have.property('order_id', poison)
    } finally {
      await worker.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    }
  })

  it('that crashes its worker becomes a dead letter while its neighbours are completed', async () => {
    await boss.stop({ graceful: false })
    // A crashed worker is detected by its missing heartbeat. Ten seconds would make this test slow.
    await database.execute('update pgboss.queue set heartbeat_seconds = 4')
    await database.execute(
      `update pgboss.job set heartbeat_seconds = 4, retry_limit = 3, retry_delay = 0, retry_backoff = false
      where name = 'inventory.deduct'`,
    )
    let deaths = 0
    const stop = new AbortController()
    async function superviseWorker(): Promise<void> {
      while (!stop.signal.aborted) {
        const env = { FAILPOINTS: `worker.effect-written=kill:${poison}` }
        const ended = startRoleProcess('worker', url, env).ended
        if ((await ended) === 'SIGKILL' && !stop.signal.aborted) deaths++
      }
    }
    const supervised = superviseWorker()
    try {
      const letter = await untilSlowly('the poison is a dead letter', async () => {
        const [letter] = await database.query<Record<string, unknown>>('select * from dead_letters')
        return letter
      })
      expect(letter).to.include({ order_id: poison, attempts: 4 })
      for (const neighbour of neighbours) expect(await jobOf(neighbour)).to.include({ state: 'completed' })
      expect(await stockOf(database, menu)).to.deep.equal([97])
      expect(deaths).to.be.within(2, 4)
    } finally {
      stop.abort()
      killChildren()
      await supervised
    }
  })

  it('fails alone when its data is not an event', async () => {
    await boss.insert('inventory.deduct', [{ data: { order_id: poison, type: 'nonsense' } }])
    await deductWith(stockJobs['inventory.deduct'])
    await until(
      'the stock of all four orders is deducted',
      async () => (await stockOf(database, menu))[0] === 96,
    )
    await until('the nonsense waits for its retry', async () => {
      const [job] = await database.query<{ state: string }>(
        `select state from pgboss.job where data ->> 'type' = 'nonsense'`,
      )
      return job?.state === 'retry'
    })
  })
})
