import type { PgBoss } from 'pg-boss'
import type { Sql, Tx } from '../../db/transaction.ts'
import { DELIVERY_QUEUE } from '../../jobs/queues.ts'
import { NIL_UUID } from '../../platform/ids.ts'
import { DELIVERIES_CHANNEL, type DeliveryJob, insertDeliveryJobs } from '../fan-out.ts'
import { aheadSql, earlyEventsSql, type TakenJob, UNSETTLED } from './load-deliveries.ts'

/** Deliveries without a job get one when their turn comes, when there is room, or when somebody finds that they were forgotten. */

interface Released extends DeliveryJob {
  job_id: string
}

/** What has become free. */
interface Freed {
  /** orders of which an event has been settled */
  lanes: readonly { webhook_id: string; order_id: string }[]
  /** by webhook, how many more may have a job */
  rooms: ReadonlyMap<string, number>
}

/** Rows that one look for forgotten deliveries goes through. */
const LOOK_COUNT = 1_000
/** Deliveries of a webhook that such a look gives jobs to. */
const LOOK_ROOM_COUNT = 10

/** Gives the next event of each order its job, and those that wait for room. */
export async function releaseWaiting(tx: Tx, boss: PgBoss, { lanes, rooms }: Freed): Promise<void> {
  const [next, roomy] = await Promise.all([
    lanes.length > 0 ? tx.query<Released>(releaseLanesSql, [JSON.stringify(lanes)]) : [],
    rooms.size > 0 ? tx.query<Released>(releaseRoomsSql, [[...rooms.keys()], [...rooms.values()]]) : [],
  ])
  await insertJobs(tx, boss, [...next, ...roomy])
}

/** Gives jobs to deliveries that wait for room. @param rooms by webhook, how many */
export async function releaseRooms(tx: Tx, boss: PgBoss, rooms: ReadonlyMap<string, number>): Promise<void> {
  await releaseWaiting(tx, boss, { lanes: [], rooms })
}

/**
 * Gives those of these deliveries their job again whose turn has come meanwhile: to be asked after they were left waiting, because
 * what they wait for may have been settled in between, by somebody who did not see them wait.
 */
export async function enqueueReady(tx: Tx, boss: PgBoss, deliveryIds: readonly string[]): Promise<void> {
  await insertJobs(tx, boss, await tx.query<Released>(releaseReadySql, [deliveryIds]))
}

/** Where a look for forgotten deliveries goes on. */
export interface Place {
  webhook_id: string
  delivery_id: string
}

export const BEGINNING: Place = { webhook_id: NIL_UUID, delivery_id: NIL_UUID }

/**
 * Looks after deliveries that nobody else would: discards those of webhooks that are not active, gives jobs to what was asked for by
 * hand, and to what was forgotten because its worker died at the wrong moment. Bounded; what is left is for the next look.
 * @returns where the next look goes on
 */
export async function sweepParked(tx: Tx, boss: PgBoss, from: Place): Promise<Place> {
  await tx.execute(discardSql)
  await tx.execute(dueNowSql)
  const roomy = await tx.query<Released>(releaseSomeRoomSql)
  const seen = await tx.query<Place>(turnsSql, [from.webhook_id, from.delivery_id])
  await insertJobs(tx, boss, roomy)
  if (seen.length > 0)
    await enqueueReady(
      tx,
      boss,
      seen.map(({ delivery_id }) => delivery_id),
    )
  return seen.length < LOOK_COUNT ? BEGINNING : (seen.at(-1) ?? BEGINNING)
}

/** Gives jobs back that were not tried: no attempt is counted, and whoever comes next may take them. */
export async function returnJobs(sql: Sql, jobs: readonly TakenJob[]): Promise<void> {
  if (jobs.length === 0) return
  await sql.execute(giveBackSql, [
    JSON.stringify(jobs.map(({ id, retryCount }) => ({ id, retry_count: retryCount }))),
  ])
  await sql.execute(`notify ${DELIVERIES_CHANNEL}`)
}

async function insertJobs(tx: Tx, boss: PgBoss, released: readonly Released[]): Promise<void> {
  const jobs = released.map(({ job_id, ...data }) => ({ id: job_id, data }))
  await insertDeliveryJobs(tx, boss, jobs)
}

/** Without `started_on`, pg-boss does not count the next attempt as another. */
const giveBackSql = `
  update pgboss.job as j
  set state = 'created', started_on = null, heartbeat_on = null
  from json_to_recordset($1::text::json) as given (id uuid, retry_count integer)
  where j.name = '${DELIVERY_QUEUE}'
    and j.id = given.id
    and j.retry_count = given.retry_count
    and j.state = 'active'
`

const columns = 'd.job_id, d.delivery_id, d.webhook_id, d.event_id, d.type, d.restaurant_id, d.order_id'

/** A job of a new id: the one that was given back has its own end. */
const release = (state: string, which: string) => `
  update webhook_deliveries as d
  set state = 'QUEUED', job_id = uuidv7()
  where d.delivery_id = any(array(${which}))
    and d.state = '${state}'
  returning ${columns}
`

const releaseLanesSql = release(
  'AWAITS_TURN',
  `
    select n.delivery_id
    from json_to_recordset($1::text::json) as lane (webhook_id uuid, order_id uuid)
    cross join lateral (
      select p.delivery_id, p.state
      from webhook_deliveries as p
      where p.webhook_id = lane.webhook_id
        and p.order_id = lane.order_id
        and p.state in ${UNSETTLED}
      order by p.sequence
      limit 1
    ) as n
    where n.state = 'AWAITS_TURN'
  `,
)

const roomOf = (webhook: string, count: string) => `
    cross join lateral (
      select p.delivery_id
      from webhook_deliveries as p
      where p.state = 'AWAITS_ROOM'
        and p.webhook_id = ${webhook}
      order by p.delivery_id
      limit ${count}
      for update skip locked
    ) as n`

const releaseRoomsSql = release(
  'AWAITS_ROOM',
  `
    select n.delivery_id
    from unnest($1::uuid[], $2::integer[]) as room (webhook_id, free)
    ${roomOf('room.webhook_id', 'room.free')}
  `,
)

const releaseSomeRoomSql = release(
  'AWAITS_ROOM',
  `
    select n.delivery_id
    from webhooks as w
    ${roomOf('w.webhook_id', String(LOOK_ROOM_COUNT))}
  `,
)

const releaseReadySql = release(
  'AWAITS_TURN',
  `
    select w.delivery_id
    from webhook_deliveries as w
    where w.delivery_id = any($1::uuid[])
      and w.state = 'AWAITS_TURN'
      and not exists (select 1 ${aheadSql('w')})
      and not exists (select 1 ${earlyEventsSql('w')})
  `,
)

const turnsSql = `
  select webhook_id, delivery_id
  from webhook_deliveries
  where state = 'AWAITS_TURN'
    and (webhook_id, delivery_id) > ($1::uuid, $2::uuid)
  order by webhook_id, delivery_id
  limit ${LOOK_COUNT}
`

/** Deleted, not even what was asked for by hand is sent. */
const discardSql = `
  update webhook_deliveries as d
  set state = 'DISCARDED', settled_at = clock_timestamp(), next_attempt_at = null, requested_at = null,
    reason = case w.status when 'DELETED' then 'the webhook was deleted' else 'the webhook was disabled' end
  from webhooks as w
  where w.webhook_id = d.webhook_id
    and d.state in ${UNSETTLED}
    and d.delivery_id = any(array(
      select n.delivery_id
      from webhooks as w
      cross join lateral (
        select p.delivery_id
        from webhook_deliveries as p
        where p.webhook_id = w.webhook_id
          and p.state in ${UNSETTLED}
          and (p.requested_at is null or w.status = 'DELETED')
        limit ${LOOK_COUNT}
        for update skip locked
      ) as n
      where w.status <> 'ACTIVE'
    ))
`

const dueNowSql = `
  update pgboss.job as j
  set start_after = now()
  from webhook_deliveries as d
  where d.state = 'QUEUED'
    and d.next_attempt_at <= now()
    and j.name = '${DELIVERY_QUEUE}'
    and j.id = coalesce(d.job_id, d.delivery_id)
    and j.state = 'retry'
    and j.start_after > now()
`

/** Whether there is any subscription at all: without one there is nothing to look after. */
export async function isAnyWebhook(sql: Sql): Promise<boolean> {
  return (await sql.query('select 1 from webhooks limit 1')).length > 0
}
