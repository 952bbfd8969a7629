import { z } from 'zod'
import type { Tx } from '../../db/transaction.ts'
import type { Route } from '../../http/route.ts'
import { text as inputText } from '../../http/schema-fields.ts'
import { queueNames } from '../../jobs/queues.ts'
import { demoIds } from '../../platform/demo-ids.ts'
import { codeDigitsOf, orderCode } from '../../platform/order-code.ts'
import { readSnapshot } from '../read-snapshot.ts'
import { type OpsRoutesOptions, opsRoute, STATEMENT_TIMEOUT_MS } from './ops-route.ts'
import { id, orNull, rowsOf, text, time } from './view-rows.ts'

const MAX_FOUND = 50
const AT = '2026-11-22T18:30:00.000Z'

const found = rowsOf(
  'OpsFound',
  { comment: 'Something that a search has found', columns: {} },
  {
    kind: text('ORDER'),
    id: id(demoIds.order),
    order_id: orNull(id(demoIds.order)),
    code: orNull(text('7K3Q')),
    what: text('PREPARING, customer customer-42'),
    at: time(AT),
  },
  {
    kind: 'ORDER, EVENT, JOB, DELIVERY, DEAD_LETTER or WEBHOOK',
    id: 'id of what was found',
    order_id: 'order that it is about; null: it is about no order, or only about a restaurant',
    code: 'code of this order',
    what: 'short description',
    at: 'when it was created, queued or placed',
  },
)

export type Found = (typeof found)['example']

export const searchRoute = ({ database }: OpsRoutesOptions): Route =>
  opsRoute({
    path: '/api/v1/ops/search',
    operationId: 'searchOps',
    summary: 'Find an order, event, job or delivery',
    description: `Finds by id: an order, event, job, webhook delivery, dead letter or webhook. Finds by code or customer: orders, the latest first, at most ${MAX_FOUND}. The order of what was found is at \`/api/v1/ops/orders/{order_id}\`.`,
    statusDescription: 'What was found; empty: nothing',
    query: z.strictObject({
      q: inputText(100, {
        description: 'An id, the code of an order, or the `customer_id` of orders',
        example: demoIds.order,
      }),
    }),
    replySchema: found.schema.array(),
    replyExample: [found.example],
    errors: [],
    handle: async ({ query: { q } }) => ({
      body: await readSnapshot(database, tx => search(tx, q), STATEMENT_TIMEOUT_MS),
    }),
  })

/** Each part of the search reads its rows by an index. */
async function search(tx: Tx, q: string): Promise<Found[]> {
  const isId = z.uuid().safeParse(q).success
  const rows = isId
    ? await tx.query<Record<string, unknown>>(byIdSql, [q, queueNames])
    : await tx.query<Record<string, unknown>>(byTextSql, [q, codeDigitsOf(q) ?? null])
  return rows.map(row => {
    const { order_id } = row as { order_id: string | null }
    return found.present({ ...row, code: order_id && orderCode(order_id) })
  })
}

const orderSql = `
  select 'ORDER' as kind, order_id as id, order_id, status || coalesce(', customer ' || customer_id, '') as what, placed_at as at
  from orders`

const byIdSql = `
  ${orderSql}
  where order_id = $1::uuid
  union all
  select 'EVENT', event_id, order_id, type, created_at
  from outbox_events
  where event_id = $1
  union all
  select 'JOB', job_id, order_id, queue || ' ' || state || coalesce(': ' || error, ''), queued_at
  from ops.jobs
  where queue = any($2::text[])
    and job_id = $1
  union all
  select 'DELIVERY', delivery_id, order_id, type || ' ' || lower(state), created_at
  from webhook_deliveries
  where delivery_id = $1
  union all
  select 'DEAD_LETTER', dead_letter_id, order_id, queue || ' ' || lower(fate), dead_at
  from dead_letters
  where dead_letter_id = $1
    or job_id = $1
  union all
  select 'WEBHOOK', webhook_id, null, lower(status), created_at
  from webhooks
  where webhook_id = $1
`

const byTextSql = `
  (
    ${orderSql}
    where substr(order_id::text, 29, 5) = $2::text
    order by placed_at desc, order_id desc
    limit ${MAX_FOUND}
  )
  union all
  (
    ${orderSql}
    where customer_id = $1
    order by placed_at desc, order_id desc
    limit ${MAX_FOUND}
  )
  limit ${MAX_FOUND}
`
