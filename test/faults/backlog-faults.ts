import { untilTrue } from '../support/until.ts'
import type { DatabaseUnderTest } from './database-under-test.ts'
import type { Fault } from './fault.ts'
import { untilPrepared } from './until-prepared.ts'

/** Waiting jobs from which on the dispatchers of the fault hold events. */
const BACKLOG_COUNT = 10
const HELD_TIMEOUT_MS = 60_000
const PREPARED_TIMEOUT_MS = 60_000

/** Workers do not empty a queue: its events wait in the outbox, also when a dispatcher dies. */
export const fullQueue: Fault = {
  name: 'full-queue',
  about:
    'workers pause the deduction until its queue is full and events are held; a dispatcher is killed meanwhile',
  delaysOrders: true,
  run: async ({ cluster, clients, postgres, random }) => {
    const dispatchers = cluster.of('dispatcher')
    for (const member of dispatchers) {
      member.env = { QUEUE_BACKLOG_COUNT: String(BACKLOG_COUNT) }
      await cluster.restart(member)
    }
    await postgres.query(
      `insert into paused_queues (queue, actor, reason) values ('inventory.deduct', 'faults', 'fault')`,
    )
    const untilHeld = () =>
      untilTrue(HELD_TIMEOUT_MS, async () => {
        await clients.place()
        return await isHeld(postgres)
      })
    const failures: string[] = []
    if (!(await untilHeld())) failures.push('no event was held although the queue is full')
    cluster.kill(random.pick(dispatchers))
    const last = await clients.placeEverything()
    if (!(await untilHeld())) failures.push('no event was held after a dispatcher was killed')
    await postgres.query(`delete from paused_queues where queue = 'inventory.deduct'`)
    if (!(await untilPrepared(postgres, last, PREPARED_TIMEOUT_MS)))
      failures.push('an order that was placed while the queue was full is still PLACED')
    for (const member of dispatchers) {
      member.env = {}
      await cluster.restart(member)
    }
    return failures
  },
}

/** Whether an event waits in the outbox because its queue is full. */
async function isHeld(postgres: DatabaseUnderTest): Promise<boolean> {
  const rows = await postgres.query(
    `select 1 from held_queues
    where queue = 'inventory.deduct' and exists (
      select 1 from outbox_events where type = 'order.placed.v1' and dispatched_at is null
    )`,
  )
  return rows.length === 1
}
