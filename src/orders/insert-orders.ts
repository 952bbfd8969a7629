import { bigints, integers, smallints, texts, timestamps, uuids } from '../db/array-params.ts'
import type { Sql } from '../db/transaction.ts'
import { appendEventsSql, eventColumns } from '../outbox/append-event.ts'
import type { IdempotentRequest, StoredReply } from '../platform/idempotent-request.ts'
import { type PlacedOrder, type PlaceOrder, placedEvent } from './decide-placement.ts'

/** A decided order, ready to be inserted. */
export interface Placement {
  request: PlaceOrder
  order: PlacedOrder
  /** present when the request carries an idempotency key */
  storedReply: StoredReply | undefined
}

interface InsertedOrders {
  /** ids of orders that were not inserted, because their menu changed after it was read */
  stale: Set<string>
  /** ids of orders whose idempotency key this statement inserted; a missing one was used before */
  keyed: Set<string>
}

interface Row {
  order_id: string
  outcome: 'stale' | 'keyed'
}

/**
 * Inserts orders with their items, first transition, `order.placed.v1` and stored replies. Atomic:
 * it is one statement, which commits by itself. An order whose menu changed, or whose idempotency
 * key was used before, is skipped; the others are inserted. Idempotent by `order_id`: an order that
 * exists keeps its items and its event, and is not inserted again.
 */
export async function insertOrders(sql: Sql, placements: readonly Placement[]): Promise<InsertedOrders> {
  const keys = placements.flatMap(({ request: { idempotency }, order, storedReply }) =>
    idempotency && storedReply ? [keyRow(order.order_id, idempotency, storedReply)] : [],
  )
  const values = [
    ...orderColumns(placements),
    ...itemColumns(placements),
    ...eventColumns(placements.map(({ order, request }) => placedEvent(order, request.trace))),
  ]
  const rows = await (keys.length === 0
    ? sql.query<Row>(insertSql, values)
    : sql.query<Row>(insertWithKeysSql, [...values, JSON.stringify(keys)]))
  const idsOf = (outcome: Row['outcome']) =>
    new Set(rows.flatMap(row => (row.outcome === outcome ? [row.order_id] : [])))
  return { stale: idsOf('stale'), keyed: idsOf('keyed') }
}

/** Returns $1 to $9, the columns of `o`. */
function orderColumns(placements: readonly Placement[]): Buffer[] {
  const orders = placements.map(({ order }) => order)
  return [
    uuids(orders.map(order => order.order_id)),
    uuids(orders.map(order => order.restaurant_id)),
    texts(orders.map(order => order.currency)),
    smallints(orders.map(order => order.currency_decimals)),
    bigints(orders.map(order => order.total_minor)),
    texts(orders.map(order => order.customer_id)),
    texts(orders.map(order => order.notes)),
    timestamps(orders.map(order => order.placed_at)),
    integers(placements.map(({ request }) => (request.idempotency ? 1 : null))),
  ]
}

/** Returns $10 to $18, the columns of `item`. */
function itemColumns(placements: readonly Placement[]): Buffer[] {
  const items = placements.flatMap(({ order: { items, ...order } }) =>
    items.map(item => ({ ...item, order })),
  )
  return [
    uuids(items.map(item => item.order.order_id)),
    uuids(items.map(item => item.order.restaurant_id)),
    uuids(items.map(item => item.menu_item_id)),
    smallints(items.map(item => item.line_no)),
    texts(items.map(item => item.name)),
    bigints(items.map(item => item.price_minor)),
    integers(items.map(item => item.quantity)),
    texts(items.map(item => item.order.currency)),
    smallints(items.map(item => item.order.currency_decimals)),
  ]
}

function keyRow(order_id: string, { caller, key, fingerprint }: IdempotentRequest, reply: StoredReply) {
  return { caller, key, fingerprint, ...reply, order_id }
}

/**
 * The statement compares every item with the menu in its own snapshot (`stale`), so a cached menu
 * can be out of date without an order ever being sold at an old price or from a closed restaurant.
 * `on conflict do nothing` makes a retry under the same id after an unknown outcome harmless.
 * @param keys a common table expression that inserts idempotency keys, or nothing
 * @param condition SQL condition on the orders `o`
 * @param keyedRows SQL that adds the rows of `keys` to the result, or nothing
 */
const insertSqlWith = (keys: string, condition: string, keyedRows: string) => `
  with item as (
    select *
    from unnest($10::uuid[], $11::uuid[], $12::uuid[], $13::smallint[], $14::text[], $15::bigint[], $16::integer[], $17::text[],
      $18::smallint[])
      as item (order_id, restaurant_id, menu_item_id, line_no, name, price_minor, quantity, currency,
        currency_decimals)
  ), stale as (
    select item.order_id
    from item
    left join menu_items as m
      on m.menu_item_id = item.menu_item_id
      and m.restaurant_id = item.restaurant_id
    left join restaurants as r
      on r.restaurant_id = item.restaurant_id
    where m.name is distinct from item.name
      or m.price_minor is distinct from item.price_minor
      or r.currency is distinct from item.currency
      or r.currency_decimals is distinct from item.currency_decimals
      or m.deactivated_at is not null
      or r.deactivated_at is not null
  ), ${keys}placed as (
    insert into orders (order_id, restaurant_id, status, version, currency, currency_decimals, total_minor, customer_id,
      notes, placed_at, updated_at)
    select order_id, restaurant_id, 'PLACED', 1, currency, currency_decimals, total_minor, customer_id, notes,
      placed_at, placed_at
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::smallint[], $5::bigint[], $6::text[], $7::text[],
      $8::timestamptz[], $9::integer[])
      as o (order_id, restaurant_id, currency, currency_decimals, total_minor, customer_id, notes, placed_at, keyed)
    where order_id not in (select order_id from stale)
      and ${condition}
    on conflict do nothing
    returning order_id, restaurant_id, placed_at
  ), items as (
    insert into order_items (order_id, restaurant_id, menu_item_id, line_no, name, price_minor, quantity)
    select order_id, restaurant_id, menu_item_id, line_no, name, price_minor, quantity
    from item
    where order_id in (select order_id from placed)
  ), transitions as (
    insert into order_transitions (order_id, restaurant_id, seq, to_status, actor, at)
    select order_id, restaurant_id, 1, 'PLACED', 'client', placed_at
    from placed
  ), events as (
    ${appendEventsSql(19, 'null', 'order_id in (select order_id from placed)')}
  )
  select order_id, 'stale' as outcome
  from stale
  ${keyedRows}
`

const insertSql = insertSqlWith('', 'true', '')

/** Sorted, so that two batches with the same keys cannot deadlock. */
const insertKeysSql = `keys as (
    insert into idempotency_keys (caller, key, fingerprint, status, headers, body, order_id)
    select caller, key, fingerprint, status, headers, body, order_id
    from json_to_recordset($25::text::json) as k (caller text, key text, fingerprint text, status smallint,
      headers json, body json, order_id uuid)
    where order_id not in (select order_id from stale)
    order by caller, key
    on conflict do nothing
    returning order_id
  ), `

const insertWithKeysSql = insertSqlWith(
  insertKeysSql,
  '(o.keyed is null or o.order_id in (select order_id from keys))',
  `union all
  select order_id, 'keyed'
  from keys`,
)
