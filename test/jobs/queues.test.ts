import { expect } from 'chai'
import type { PgBoss } from 'pg-boss'
import type { Database } from '../../src/db/database.ts'
import { createQueues, startBoss } from '../../src/jobs/boss.ts'
import { DEAD_LETTER_QUEUE, eventQueues } from '../../src/jobs/queues.ts'
import { quiet } from '../support/log.ts'
import { openTestDatabase } from '../support/system.ts'
import { until } from '../support/until.ts'

describe('the queues of pg-boss', () => {
  let database: Database
  let boss: PgBoss
  let close: () => Promise<void>

  before(async () => {
    const test = await openTestDatabase()
    database = test.database
    close = test.close
    boss = await startBoss(database, 'migrator', 'test', quiet)
  })
  after(async () => {
    await boss.stop({ graceful: false })
    await close()
  })

  it('have a dead letter queue, retries with backoff, and a heartbeat', async () => {
    const queues = await boss.getQueues()
    expect(queues.map(({ name }) => name)).to.include.members([
      ...Object.keys(eventQueues),
      DEAD_LETTER_QUEUE,
    ])
    for (const queue of queues.filter(
      ({ name }) => name !== DEAD_LETTER_QUEUE && !name.startsWith('__pgboss'),
    )) {
      expect(queue.deadLetter, queue.name).to.equal(DEAD_LETTER_QUEUE)
      expect(queue.retryLimit, queue.name).to.be.above(0)
      expect(queue.retryBackoff, queue.name).to.equal(true)
      expect(queue.heartbeatSeconds, queue.name).to.be.within(10, 60)
    }
  })

  it('are reset to the declared options by migrate', async () => {
    await boss.updateQueue('order.prepare', { retryLimit: 99 })
    await createQueues(database, boss, 10_080)
    expect(await boss.getQueue('order.prepare')).to.include({ retryLimit: 12 })
  })

  it('keep finished jobs for JOB_RETENTION_MINUTES', async () => {
    const keptSeconds = async (queue: string) => (await boss.getQueue(queue))?.deleteAfterSeconds
    expect(await keptSeconds('order.prepare')).to.equal(7 * 86_400)
    await createQueues(database, boss, 5)
    expect(await keptSeconds('inventory.deduct')).to.equal(300)
    await createQueues(database, boss, 10_080)
  })

  it('run 20 jobs that are sent together without waiting for a poll', async () => {
    const consumer = await startBoss(database, 'consumer', 'test', quiet)
    const done: string[] = []
    await boss.createQueue('test.burst', { notify: true })
    const options = {
      batchSize: 5,
      burstWhenBatchFull: true,
      pollingIntervalSeconds: 600,
      notifyPollingIntervalSeconds: 600,
    } as const
    await consumer.work('test.burst', options, async jobs => {
      done.push(...jobs.map(({ id }) => id))
    })
    await until('the worker waits for a notification', () =>
      consumer.getWipData().some(worker => worker.lastFetchedOn !== null),
    )
    await boss.insert(
      'test.burst',
      Array.from({ length: 20 }, () => ({ data: {} })),
    )
    await until('all are done', () => done.length === 20)
    await consumer.stop()
  })
})
