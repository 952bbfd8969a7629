import { placeOrders } from '../../src/orders/place-order.ts'
import { newIdInSlotOf } from '../../src/platform/slots.ts'
import { addMenu } from '../support/pipeline.ts'
import { openPool } from '../support/system.ts'
import { untilTrue } from '../support/until.ts'
import type { Member } from './cluster.ts'
import type { DatabaseUnderTest } from './database-under-test.ts'
import type { Fault } from './fault.ts'

const ORDER_COUNT = 10_000
const MATCHING_COUNT = 9_412
const BATCH_COUNT = 500
const TIMEOUT_MS = 300_000

/** The API processes are killed while an action redrives most of many dead letters. */
export const killDuringAction: Fault = {
  name: 'kill-during-action',
  about: `an action of operators redrives ${MATCHING_COUNT} of ${ORDER_COUNT} dead letters; both APIs are killed meanwhile`,
  delaysOrders: true,
  run: async ({ cluster, postgres }) => {
    const failures: string[] = []
    const restaurant = await addDeadOrders(postgres)
    const apis = cluster.of('api')
    const first = await start(apis, { error: 'lock timeout' }, MATCHING_COUNT)
    const isBegun = await untilTrue(TIMEOUT_MS, async () => (await handled(postgres, first)) > 0)
    for (const api of apis) cluster.kill(api)
    const [stopped] = await postgres.query<{ status: string }>(
      'select status from ops_actions where action_id = $1',
      [first],
    )
    if (!isBegun || stopped?.status !== 'RUNNING')
      failures.push(`the action was ${stopped?.status} when the APIs were killed`)
    await Promise.all(apis.map(api => cluster.untilReady(api)))
    failures.push(...(await resultOf(postgres, first, MATCHING_COUNT)))
    const [letters] = await postgres.query<{ open: number; redriven: number }>(lettersSql, [restaurant])
    if (letters?.redriven !== MATCHING_COUNT || letters.open !== ORDER_COUNT - MATCHING_COUNT)
      failures.push(`${letters?.redriven} dead letters are redriven, and ${letters?.open} are open`)
    const rest = await start(apis, { error: 'no such item' }, ORDER_COUNT - MATCHING_COUNT)
    failures.push(...(await resultOf(postgres, rest, ORDER_COUNT - MATCHING_COUNT)))
    const arePrepared = await untilTrue(TIMEOUT_MS, async () => {
      const placed = await postgres.query(
        `select 1 from orders where restaurant_id = $1 and status = 'PLACED' limit 1`,
        [restaurant],
      )
      return placed.length === 0
    })
    if (!arePrepared) failures.push('a redriven order is still PLACED')
    return failures
  },
}

/** Places orders whose jobs are dead letters. @returns the id of their restaurant */
async function addDeadOrders(postgres: DatabaseUnderTest): Promise<string> {
  const database = await openPool(postgres.server.url)
  try {
    const { restaurant_id, menu_item_ids } = await addMenu(database, 2 * ORDER_COUNT)
    const items = menu_item_ids.map(menu_item_id => ({ menu_item_id, quantity: 1 }))
    await postgres.query(
      `insert into paused_queues (queue, actor, reason) values ('inventory.deduct', 'faults', 'fault')`,
    )
    await untilTrue(TIMEOUT_MS, async () => {
      const working = await postgres.query(
        `select 1 from process_heartbeats
        where role = 'worker' and stopped_at is null and beat_at > now() - interval '15 seconds'
          and working_on @> '[{"queue":"inventory.deduct"}]'`,
      )
      return working.length === 0
    })
    const trace = { request_id: 'fault' }
    for (let placed = 0; placed < ORDER_COUNT; placed += BATCH_COUNT)
      await placeOrders(
        database,
        Array.from({ length: BATCH_COUNT }, () => ({
          order_id: newIdInSlotOf(restaurant_id),
          restaurant_id,
          items,
          trace,
        })),
      )
    let dead = 0
    await untilTrue(TIMEOUT_MS, async () => {
      dead += (await postgres.query(killSql, [restaurant_id, MATCHING_COUNT - dead])).length
      return dead === ORDER_COUNT
    })
    await postgres.query(`delete from paused_queues where queue = 'inventory.deduct'`)
    return restaurant_id
  } finally {
    await database.close()
  }
}

/** Starts an action over HTTP. @returns its id */
async function start(apis: Member[], filter: object, expected_count: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${apis[0]?.port}/api/v1/ops/actions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      kind: 'dead-letters.redrive',
      filter,
      expected_count,
      reason: 'the lock is gone',
      actor: 'faults',
    }),
  })
  const reply = (await response.json()) as { action_id?: string; detail?: string }
  if (reply.action_id === undefined) throw new Error(`the action was refused: ${reply.detail}`)
  return reply.action_id
}

async function handled(postgres: DatabaseUnderTest, actionId: string): Promise<number> {
  const [row] = await postgres.query<{ done: number }>(
    'select done_count as done from ops_actions where action_id = $1',
    [actionId],
  )
  return row?.done ?? 0
}

/** Waits for the end of an action. @returns what is wrong with its result or its audit */
async function resultOf(postgres: DatabaseUnderTest, actionId: string, count: number): Promise<string[]> {
  const isEnded = await untilTrue(TIMEOUT_MS, async () => {
    const rows = await postgres.query(
      `select 1 from ops_actions where action_id = $1 and status <> 'RUNNING'`,
      [actionId],
    )
    return rows.length === 1
  })
  const [action] = await postgres.query<{ result: string | null; letters: number; different: number }>(
    resultSql,
    [actionId],
  )
  const expected = `${count} of ${count} dead letters redriven`
  return [
    ...(isEnded && action?.result === expected ? [] : [`the action ended with ${action?.result}`]),
    ...(action?.letters === count && action.different === count
      ? []
      : [`the audit has ${action?.letters} dead letters, ${action?.different} different ones`]),
  ]
}

/** Makes dead letters of waiting jobs. The first `$2` have an error that the action matches. */
const killSql = `
  with job as (
    delete from pgboss.job
    where name = 'inventory.deduct'
      and state = 'created'
      and data ->> 'restaurant_id' = $1
    returning id, data, created_on
  )
  insert into dead_letters (dead_letter_id, restaurant_id, queue, job_id, event_id, event_type, order_id, data, error,
    attempts, first_queued_at, dead_at)
  select uuidv7(), $1::uuid, 'inventory.deduct', id, (data ->> 'event_id')::uuid, data ->> 'type',
    (data ->> 'order_id')::uuid, data,
    jsonb_build_object('message', case when row_number() over (order by id) <= $2::integer
      then 'canceling statement due to lock timeout' else 'no such item' end),
    13, created_on, clock_timestamp()
  from job
  returning 1
`

const lettersSql = `
  select (count(*) filter (where fate = 'OPEN'))::integer as open,
    (count(*) filter (where fate = 'REDRIVEN'))::integer as redriven
  from dead_letters
  where restaurant_id = $1
`

const resultSql = `
  select result, letters.count as letters, letters.different
  from ops_actions as a
  cross join lateral (
    select count(*)::integer as count, count(distinct letter ->> 'dead_letter_id')::integer as different
    from ops_audit, jsonb_array_elements(details -> 'dead_letters') as letter
    where action = 'redrive'
      and details ->> 'action_id' = a.action_id::text
      and actor = 'faults'
      and reason = 'the lock is gone'
  ) as letters
  where a.action_id = $1
`
