import { bigints, integers, smallints, texts, timestamps, uuids } from '../db/array-params.ts'
import type { Queries } from '../db/transaction.ts'
import { appendEventsSql, eventColumns } from '../outbox/append-event.ts'
import type { StoredReply } from '../platform/idempotent-request.ts'
import { type PlacedOrder, type PlaceOrder, placedEvent } from './decide-placement.ts'
import { isInactiveSql } from './is-inactive-sql.ts'

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
  /**
   * ids of orders with an idempotency key or a client's reference that this statement inserted; of
   * a missing one, the key or the reference was used before
   */
  admitted: Set<string>
}

interface Row {
  order_id: string
  outcome: 'stale' | 'admitted'
}

/**
 * Inserts orders with their items, first transition, `order.placed.v1`, client's references and
 * stored replies. Atomic: it is one statement, which commits by itself. An order whose menu
 * changed, or whose idempotency key or reference was used before, is skipped; the others are
 * inserted. Idempotent by `order_id`: an order that exists keeps its items and its event, and is
 * not inserted again.
 * @throws an error with the constraint {@link REFERENCE_OF_NO_ORDER} when an idempotency key was
 * used at the same moment for an order with another reference; nothing is inserted
 */
export async function insertOrders(sql: Queries, placements: readonly Placement[]): Promise<InsertedOrders> {
  const guards = placements.filter(({ request }) => isGuarded(request)).map(guardRow)
  const values = [
    ...orderColumns(placements),
    ...itemColumns(placements),
    ...eventColumns(placements.map(({ order, request }) => placedEvent(order, request.trace))),
    texts(placements.map(({ request }) => request.by ?? null)),
  ]
  const rows = await (guards.length === 0
    ? sql.query<Row>(insertSql, values)
    : sql.query<Row>(insertGuardedSql, [...values, JSON.stringify(guards)]))
  const idsOf = (outcome: Row['outcome']) =>
    new Set(rows.flatMap(row => (row.outcome === outcome ? [row.order_id] : [])))
  return { stale: idsOf('stale'), admitted: idsOf('admitted') }
}

/** Returns whether an idempotency key or a reference prevents a second order. */
export function isGuarded({ idempotency, client_reference }: PlaceOrder): boolean {
  return idempotency !== undefined || client_reference !== undefined
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
    integers(placements.map(({ request }) => (isGuarded(request) ? 1 : null))),
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

function guardRow({ request, order, storedReply }: Placement) {
  const { restaurant_id, order_id, client_reference } = order
  const { caller, key, fingerprint } = request.idempotency ?? {}
  const reference_fingerprint = request.fingerprint
  const reference = { restaurant_id, order_id, client_reference, reference_fingerprint }
  return { ...reference, caller, key, fingerprint, ...storedReply }
}

/**
 * The statement compares every item with the menu in its own snapshot (`stale`), so a cached menu
 * can be out of date without an order ever being sold at an old price or from a closed restaurant.
 * `on conflict do nothing` makes a retry under the same id after an unknown outcome harmless.
 * @param guards common table expressions that insert keys and references, or nothing
 * @param condition SQL condition on the orders `o`
 * @param admittedRows SQL that adds the rows of `admitted` to the result, or nothing
 */
const insertSqlWith = (guards: string, condition: string, admittedRows: string) => `
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
      or ${isInactiveSql('m')}
      or ${isInactiveSql('r')}
  ), ${guards}placed as (
    insert into orders (order_id, restaurant_id, status, version, currency, currency_decimals, total_minor, customer_id,
      notes, placed_at, updated_at)
    select order_id, restaurant_id, 'PLACED', 1, currency, currency_decimals, total_minor, customer_id, notes,
      placed_at, placed_at
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::smallint[], $5::bigint[], $6::text[], $7::text[],
      $8::timestamptz[], $9::integer[])
      as o (order_id, restaurant_id, currency, currency_decimals, total_minor, customer_id, notes, placed_at, guarded)
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
    insert into order_transitions (order_id, restaurant_id, seq, to_status, actor, by, at)
    select order_id, restaurant_id, 1, 'PLACED', 'client', by, placed_at
    from unnest($1::uuid[], $2::uuid[], $8::timestamptz[], $25::text[])
      as t (order_id, restaurant_id, placed_at, by)
    where order_id in (select order_id from placed)
  ), events as (
    ${appendEventsSql(19, 'null', 'order_id in (select order_id from placed)')}
  )
  select order_id, 'stale' as outcome
  from stale
  ${admittedRows}
`

const insertSql = insertSqlWith('', 'true', '')

export const REFERENCE_OF_NO_ORDER = 'references_belong_to_an_order'

/**
 * An order is admitted when its key and its reference are both new, and only then are they used.
 * The reference is inserted first, unless the key exists already. Sorted, so that two batches with
 * the same keys or references cannot deadlock.
 */
const guardsSql = `guard as (
    select *
    from json_to_recordset($26::text::json) as g (order_id uuid, restaurant_id uuid, client_reference text,
      reference_fingerprint text, caller text, key text, fingerprint text, status smallint, headers json, body json)
    where order_id not in (select order_id from stale)
  ), new_references as (
    insert into order_references (restaurant_id, client_reference, order_id, fingerprint)
    select restaurant_id, client_reference, order_id, reference_fingerprint
    from guard
    where client_reference is not null
      and not exists (
        select
        from idempotency_keys as k
        where k.caller = guard.caller
          and k.key = guard.key
      )
    order by client_reference, restaurant_id
    on conflict do nothing
    returning order_id
  ), new_keys as (
    insert into idempotency_keys (caller, key, fingerprint, status, headers, body, order_id)
    select caller, key, fingerprint, status, headers, body, order_id
    from guard
    where key is not null
      and (client_reference is null or order_id in (select order_id from new_references))
    order by caller, key
    on conflict do nothing
    returning order_id
  ), admitted as (
    select order_id
    from guard
    where (key is null or order_id in (select order_id from new_keys))
      and (client_reference is null or order_id in (select order_id from new_references))
  ), `

const insertGuardedSql = insertSqlWith(
  guardsSql,
  '(o.guarded is null or o.order_id in (select order_id from admitted))',
  `union all
  select order_id, 'admitted'
  from admitted`,
)
