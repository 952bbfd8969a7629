import { setTimeout as delay } from 'node:timers/promises'
import type { Fault } from './fault.ts'

const PARTITION_COUNT = 20
const ROW_COUNT = 200
/** Attempts at a drop, each of which waits at most 100 ms for other sessions. */
const ATTEMPT_COUNT = 50

/** Partitions are created, filled and dropped while orders are placed and processed. */
export const dropPartitions: Fault = {
  name: 'drop-partitions',
  about: `${PARTITION_COUNT} expired partitions of the outbox are created, filled and dropped while orders are placed`,
  run: async ({ clients, postgres }) => {
    const failures: string[] = []
    for (let number = 0; number < PARTITION_COUNT; number++) {
      const day = 100 + number
      const [created] = await postgres.query<{ name: string }>(
        `select 'outbox_events' || to_char(begins at time zone 'UTC', '_YYYYMMDD_HH24MI') as name
        from (select date_trunc('day', now()) - $1 * interval '1 day' as begins) as day
        where create_partition('outbox_events', begins, begins + interval '1 day')`,
        [day],
      )
      // Other sessions held a lock for longer than 100 ms.
      if (!created) continue
      await postgres.query(
        `insert into outbox_events (event_id, restaurant_id, type, payload, created_at, dispatched_at)
        select uuidv7(date_trunc('day', now()) - now() - $1 * interval '1 day' + interval '1 hour'),
          gen_random_uuid(), 'inventory.low_stock.v1', '{}', now() - $1 * interval '1 day', now()
        from generate_series(1, $2)`,
        [day, ROW_COUNT],
      )
      const orders = [1, 2, 3].map(() => clients.place())
      if (!(await isDropped(created.name))) failures.push(`${created.name} was not dropped`)
      await Promise.all(orders)
    }
    return failures

    async function isDropped(name: string): Promise<boolean> {
      for (let attempt = 0; attempt < ATTEMPT_COUNT; attempt++) {
        const [row] = await postgres.query<{ done: boolean }>('select drop_partition($1) as done', [name])
        if (row?.done) return true
        await delay(100)
      }
      return false
    }
  },
}
