import { z } from 'zod'
import type { Tx } from '../../db/transaction.ts'
import type { Route } from '../../http/route.ts'
import { timestamp } from '../../http/schema-fields.ts'
import { orderParams } from '../../orders/order-contract.ts'
import { demoIds } from '../../platform/demo-ids.ts'
import { NotFound } from '../../platform/errors.ts'
import { orderCode } from '../../platform/order-code.ts'
import { readSnapshot } from '../read-snapshot.ts'
import { viewNamed } from '../refresh-views.ts'
import { type OpsRoutesOptions, opsRoute, STATEMENT_TIMEOUT_MS } from './ops-route.ts'
import { id, integer, json, number, orNull, rowsOf, text, time } from './view-rows.ts'

/** Entries of a story at most, the latest. */
const MAX_ENTRIES = 2_000
const AT = '2026-11-22T18:30:00.000Z'
const EVENT = '019a0000-0000-7000-8000-000000000e01'
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'

const order = rowsOf(
  'OpsOrder',
  { comment: 'An order, as operators see it', columns: {} },
  {
    order_id: id(demoIds.order),
    code: text('7K3Q'),
    restaurant_id: id(demoIds.restaurant),
    restaurant: text('Trattoria Demo'),
    status: text('PREPARING'),
    customer_id: orNull(text('customer-42')),
    placed_at: time(AT),
    updated_at: time(AT),
  },
  {
    order_id: 'id of the order',
    code: 'code of the order',
    restaurant_id: 'id of the restaurant',
    restaurant: 'name of the restaurant',
    status: 'status of the order',
    customer_id: 'customer of the order',
    placed_at: 'when the order was placed',
    updated_at: 'when the order was last changed',
  },
)

const entry = rowsOf('OpsStoryEntry', viewNamed('order_timeline'), {
  at: time(AT),
  kind: text('JOB'),
  what: text('inventory.deduct started'),
  event_id: orNull(id(EVENT)),
  job_id: orNull(id(EVENT)),
  attempts: orNull(integer(1)),
  error: orNull(text('canceling statement due to lock timeout')),
  details: json(null),
})

const stuck = rowsOf('OpsStuckOrder', viewNamed('stuck_orders'), {
  reason: text('RETRYING'),
  stuck_seconds: number(75.3),
  event_id: orNull(id(EVENT)),
  event_type: orNull(text('order.placed.v1')),
  queue: orNull(text('inventory.deduct')),
  job_id: orNull(id(EVENT)),
  attempts: orNull(integer(4)),
  max_attempts: orNull(integer(13)),
  next_attempt_at: orNull(time(AT)),
  error: orNull(text('canceling statement due to lock timeout')),
})

const storyReply = z
  .object({
    as_of: timestamp('Time of the database at which everything was read, in one snapshot'),
    order: order.schema,
    stuck: z.array(stuck.schema).meta({ description: 'Why the order does not progress; empty: it does' }),
    entries: z.array(entry.schema).meta({
      description: `Transitions, events, jobs, stock movements, dead letters and deliveries, oldest first; at most the latest ${MAX_ENTRIES}`,
    }),
    trace_ids: z
      .array(z.string())
      .meta({ description: 'Ids of the traces of its events; empty without tracing', example: [TRACE] }),
    sql: z.array(z.string()).meta({
      description: 'The statements that return the same, to run with psql or `npm run sql`',
      example: [`select * from ops.order_timeline where order_id = '${demoIds.order}'`],
    }),
  })
  .meta({ id: 'OpsOrderStory', description: 'Everything that happened to an order' })

export type StoryReply = z.infer<typeof storyReply>

export const orderStoryRoute = ({ database }: OpsRoutesOptions): Route =>
  opsRoute({
    path: '/api/v1/ops/orders/{order_id}',
    operationId: 'getOpsOrder',
    summary: 'Get the whole story of an order',
    description:
      'Returns what `npm run ops -- order` shows: transitions with `by`, events, jobs with attempts and errors, stock movements, deliveries with their answers, and why the order is stuck, if it is.',
    params: orderParams,
    resource: 'order',
    statusDescription: 'The story of the order',
    replySchema: storyReply,
    replyExample: {
      as_of: AT,
      order: order.example,
      stuck: [],
      entries: [entry.example],
      trace_ids: [TRACE],
      sql: statementsOf(demoIds.order),
    },
    errors: ['order-not-found'],
    handle: async ({ params: { order_id } }) => ({
      body: await readSnapshot(database, tx => readStory(tx, order_id), STATEMENT_TIMEOUT_MS),
    }),
  })

async function readStory(tx: Tx, orderId: string): Promise<StoryReply> {
  type Row = Record<string, unknown>
  const [orders, stuckRows, entries] = await Promise.all([
    tx.query<Row & { as_of: Date }>(orderSql, [orderId]),
    tx.query<Row>(`select ${stuck.columns} from ops.stuck_orders where order_id = $1`, [orderId]),
    tx.query<Row & { trace_id: string | null }>(entriesSql, [orderId]),
  ])
  const [found] = orders
  if (!found) throw new NotFound('order', orderId)
  return {
    as_of: found.as_of.toISOString(),
    order: order.present({ ...found, code: orderCode(orderId) }),
    stuck: stuckRows.map(stuck.present),
    entries: entries.map(entry.present),
    trace_ids: [...new Set(entries.flatMap(({ trace_id }) => trace_id ?? []))],
    sql: statementsOf(orderId),
  }
}

function statementsOf(orderId: string): string[] {
  return [
    `select * from ops.order_timeline where order_id = '${orderId}'`,
    `select * from ops.stuck_orders where order_id = '${orderId}'`,
    `select * from ops.dead_letters where order_id = '${orderId}'`,
  ]
}

const orderSql = `
  select now() as as_of, o.order_id, o.restaurant_id, r.name as restaurant, o.status, o.customer_id, o.placed_at, o.updated_at
  from orders as o
  join restaurants as r using (restaurant_id)
  where o.order_id = $1
`

const entriesSql = `
  select ${entry.columns}, trace_id
  from (
    select *, row_number() over () as place, split_part(details #>> '{trace_context,traceparent}', '-', 2) as trace_id
    from ops.order_timeline
    where order_id = $1
    order by place desc
    limit ${MAX_ENTRIES}
  ) as latest
  order by place
`
