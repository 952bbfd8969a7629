import { untilTrue } from '../support/until.ts'
import type { DatabaseUnderTest } from './database-under-test.ts'
import type { Fault } from './fault.ts'
import { untilPrepared } from './until-prepared.ts'

/** Chained steps that cannot run in the transaction of their event. */

const PREPARED_TIMEOUT_MS = 30_000

export const chainedStepThrows: Fault = {
  name: 'chained-step-throws',
  about: 'every chained step throws in every worker: the steps run as jobs',
  run: async ({ cluster, clients, postgres }) => {
    const workers = cluster.of('worker')
    for (const member of workers) await cluster.restart(member, 'worker.chained=throw')
    try {
      const order = await clients.placeEverything()
      const isPrepared = await untilPrepared(postgres, order, PREPARED_TIMEOUT_MS)
      return [
        ...(isPrepared ? [] : ['an order whose chained step throws was not prepared by a job']),
        ...((await hasPrepareJob(postgres, order)) ? [] : ['no chained step was queued as a job']),
      ]
    } finally {
      for (const member of workers) await cluster.restart(member)
    }
  },
}

export const chainedStepPaused: Fault = {
  name: 'chained-step-paused',
  about: 'the queue of a chained step is paused: its events wait as jobs, and run when it is resumed',
  run: async ({ clients, postgres }) => {
    await postgres.query(
      `insert into paused_queues (queue, actor, reason) values ('order.prepare', 'faults', 'fault')`,
    )
    const waits = async () => {
      const order = await clients.placeEverything()
      return await untilTrue(1_000, () => hasPrepareJob(postgres, order))
    }
    const isPaused = await untilTrue(PREPARED_TIMEOUT_MS, waits)
    await postgres.query(`delete from paused_queues where queue = 'order.prepare'`)
    return isPaused ? [] : ['the steps of a paused queue did not become jobs']
  },
}

async function hasPrepareJob(
  postgres: DatabaseUnderTest,
  { order_id }: { order_id: string | undefined },
): Promise<boolean> {
  const rows = await postgres.query(
    `select 1 from outbox_events as e join pgboss.job as j on j.id = e.event_id
    where j.name = 'order.prepare' and e.order_id = $1`,
    [order_id],
  )
  return rows.length === 1
}
