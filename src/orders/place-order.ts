import type { Sql } from '../db/transaction.ts'
import { IdempotencyKeyInFlight, type IdempotentRequest } from '../http/idempotency.ts'
import type { RouteReply } from '../http/route-reply.ts'
import { appendEventsSql, outboxRows } from '../outbox/append-event.ts'
import { type EventOf, newEvent, type TraceContext } from '../outbox/events.ts'
import {
  type ExpectedError,
  type FieldError,
  NotFound,
  RestaurantInactive,
  ValidationFailed,
} from '../platform/errors.ts'
import { formatMoney } from '../platform/money.ts'

export interface PlaceOrder {
  /** chosen by the server; placed again after an unknown outcome, it is the same order */
  order_id: string
  restaurant_id: string
  items: { menu_item_id: string; quantity: number }[]
  customer_id?: string | undefined
  notes?: string | undefined
  trace: TraceContext
  /** placed at most once by its key, together with the answer to it */
  idempotency?: PlacementKey | undefined
}

interface PlacementKey extends IdempotentRequest {
  status: number
  reply: (order: PlacedOrder) => RouteReply<unknown>
}

/** An order as it was written, amounts in minor units. */
export interface PlacedOrder {
  order_id: string
  restaurant_id: string
  customer_id: string | null
  notes: string | null
  currency: string
  total_minor: number
  items: { menu_item_id: string; line_no: number; name: string; price_minor: number; quantity: number }[]
  placed_at: Date
}

/** What came of one request of a batch. */
export type PlacementOutcome = PlacedOrder | ExpectedError

interface MenuLine {
  restaurant_id: string
  menu_item_id: string
  /** null: no such restaurant */
  currency: string | null
  /** it takes orders */
  is_open: boolean
  /** null: not on that restaurant's menu */
  name: string | null
  price_minor: number | null
  /** orders may take it */
  is_active: boolean
}

/**
 * Places orders: each with its items (name and price as they are now), its first transition and its
 * `order.placed.v1`. Touches no stock.
 * Atomic: one statement writes the whole batch, all of it or nothing. A bad order is answered on its own and is not
 * part of it; nor is one whose key is taken (IdempotencyKeyInFlight): findAnswer has what was answered to that key.
 * Idempotent by `order_id`.
 * @returns an outcome a request, in their order
 */
export async function placeOrders(sql: Sql, requests: readonly PlaceOrder[]): Promise<PlacementOutcome[]> {
  const menu = await readMenu(sql, requests)
  const placed_at = new Date()
  const outcomes = requests.map(request => decidePlacement(request, menu, placed_at))
  const placed = requests.flatMap((request, index) => {
    const outcome = outcomes[index]
    return outcome && !(outcome instanceof Error)
      ? [{ order: outcome, event: placedEvent(outcome, request.trace), key: request.idempotency }]
      : []
  })
  if (placed.length === 0) return outcomes
  const written = await writeOrders(sql, placed)
  return outcomes.map((outcome, index) => {
    const isTaken =
      requests[index]?.idempotency && !(outcome instanceof Error) && !written.has(outcome.order_id)
    return isTaken ? new IdempotencyKeyInFlight() : outcome
  })
}

/** Pure: merges lines of the same item, checks them against the menu, adds up. */
function decidePlacement(
  request: PlaceOrder,
  menu: ReadonlyMap<string, MenuLine>,
  placed_at: Date,
): PlacementOutcome {
  const { order_id, restaurant_id, customer_id = null, notes = null } = request
  const items = new Map<string, PlacedOrder['items'][number]>()
  const errors: FieldError[] = []
  let currency = ''
  for (const [index, { menu_item_id, quantity }] of request.items.entries()) {
    const line = menu.get(menuKey(restaurant_id, menu_item_id))
    if (!line?.currency) return new NotFound('restaurant', restaurant_id)
    if (!line.is_open) return new RestaurantInactive()
    currency = line.currency
    const merged = items.get(menu_item_id)
    if (merged) merged.quantity += quantity
    else if (line.name !== null && !line.is_active)
      errors.push({
        pointer: `/items/${index}/menu_item_id`,
        detail: `${line.name} is not to be had at the moment`,
      })
    else if (line.name !== null && line.price_minor !== null) {
      items.set(menu_item_id, {
        menu_item_id,
        line_no: items.size + 1,
        name: line.name,
        price_minor: line.price_minor,
        quantity,
      })
    } else
      errors.push({
        pointer: `/items/${index}/menu_item_id`,
        detail: `${menu_item_id} is not on this restaurant's menu`,
      })
  }
  if (errors.length > 0) return new ValidationFailed(errors)
  const lines = [...items.values()]
  const total_minor = lines.reduce((sum, { price_minor, quantity }) => sum + price_minor * quantity, 0)
  return { order_id, restaurant_id, customer_id, notes, currency, total_minor, items: lines, placed_at }
}

function placedEvent(order: PlacedOrder, trace: TraceContext): EventOf<'order.placed.v1'> {
  const { order_id, restaurant_id, customer_id, currency } = order
  const items = order.items.map(({ menu_item_id, name, quantity, price_minor }) => ({
    menu_item_id,
    name,
    quantity,
    price: formatMoney(price_minor, currency),
  }))
  const total_amount = formatMoney(order.total_minor, currency)
  const placed_at = order.placed_at.toISOString()
  return newEvent(
    'order.placed.v1',
    { order_id, restaurant_id, customer_id, currency, total_amount, items, placed_at },
    trace,
  )
}

function menuKey(restaurantId: string, menuItemId: string): string {
  return `${restaurantId}/${menuItemId}`
}

async function readMenu(sql: Sql, requests: readonly PlaceOrder[]): Promise<Map<string, MenuLine>> {
  const wanted = new Map<string, [string, string]>()
  for (const { restaurant_id, items } of requests) {
    for (const { menu_item_id } of items)
      wanted.set(menuKey(restaurant_id, menu_item_id), [restaurant_id, menu_item_id])
  }
  const pairs = [...wanted.values()]
  const lines = await sql.query<MenuLine>(menuSql, [
    pairs.map(([restaurant]) => restaurant),
    pairs.map(([, item]) => item),
  ])
  return new Map(lines.map(line => [menuKey(line.restaurant_id, line.menu_item_id), line]))
}

interface Placement {
  order: PlacedOrder
  event: EventOf
  key: PlacementKey | undefined
}

/** @returns ids of the keyed orders that were written now: the keys of the others are taken */
async function writeOrders(sql: Sql, placed: readonly Placement[]): Promise<Set<string>> {
  const keys = placed.flatMap(({ order, key }) => (key ? [keyRow(order, key)] : []))
  const orders = placed.map(({ order: { items: _, ...order }, key }) =>
    key ? { ...order, keyed: true } : order,
  )
  const items = placed.flatMap(({ order: { order_id, restaurant_id, items } }) =>
    items.map(item => ({ order_id, restaurant_id, ...item })),
  )
  const values = [JSON.stringify(orders), JSON.stringify(items), outboxRows(placed.map(({ event }) => event))]
  if (keys.length === 0) {
    await sql.execute(placeSql, values)
    return new Set()
  }
  const written = await sql.query<{ order_id: string }>(placeKeyedSql, [...values, JSON.stringify(keys)])
  return new Set(written.map(({ order_id }) => order_id))
}

function keyRow(order: PlacedOrder, { caller, key, fingerprint, status, reply }: PlacementKey) {
  const { body, headers = {} } = reply(order)
  return { caller, key, fingerprint, status, headers, body, order_id: order.order_id }
}

const menuSql = `
  select wanted.restaurant_id, wanted.menu_item_id, r.currency, r.deactivated_at is null as is_open,
    m.name, m.price_minor, m.deactivated_at is null as is_active
  from unnest($1::uuid[], $2::uuid[]) as wanted (restaurant_id, menu_item_id)
  left join restaurants as r
    on r.restaurant_id = wanted.restaurant_id
  left join menu_items as m
    on m.menu_item_id = wanted.menu_item_id
    and m.restaurant_id = wanted.restaurant_id
`

/**
 * Placed again under the same id (a retry after a lost answer), an order keeps its first event and nothing doubles.
 * @param before common table expressions that come first
 * @param condition which of the orders `o`, in SQL
 */
const placeSqlWhere = (before: string, condition: string) => `
  with ${before}placed as (
    insert into orders (order_id, restaurant_id, status, version, currency, total_minor, customer_id, notes, placed_at, updated_at)
    select order_id, restaurant_id, 'PLACED', 1, currency, total_minor, customer_id, notes, placed_at, placed_at
    from json_to_recordset($1::text::json) as o (order_id uuid, restaurant_id uuid, currency text, total_minor bigint,
      customer_id text, notes text, placed_at timestamptz, keyed boolean)
    where ${condition}
    on conflict do nothing
    returning order_id, restaurant_id, placed_at
  ), items as (
    insert into order_items (order_id, restaurant_id, menu_item_id, line_no, name, price_minor, quantity)
    select order_id, restaurant_id, menu_item_id, line_no, name, price_minor, quantity
    from json_to_recordset($2::text::json) as i (order_id uuid, restaurant_id uuid, menu_item_id uuid, line_no smallint,
      name text, price_minor bigint, quantity integer)
    where order_id in (select order_id from placed)
  ), transitions as (
    insert into order_transitions (order_id, restaurant_id, seq, to_status, actor, at)
    select order_id, restaurant_id, 1, 'PLACED', 'client', placed_at
    from placed
  )
  ${appendEventsSql('$3', 'null', 'order_id in (select order_id from placed)')}
`

const placeSql = placeSqlWhere('', 'true')

/** Keys are taken in one order, so that two batches with the same keys never wait for each other crosswise. */
const takeKeys = `
  keys as (
    insert into idempotency_keys (caller, key, fingerprint, status, headers, body, order_id)
    select caller, key, fingerprint, status, headers, body, order_id
    from json_to_recordset($4::text::json) as k (caller text, key text, fingerprint text, status smallint,
      headers json, body json, order_id uuid)
    order by caller, key
    on conflict do nothing
    returning order_id
  ), `

const placeKeyedSql = `
  ${placeSqlWhere(takeKeys, 'o.keyed is null or o.order_id in (select order_id from keys)')}
  returning order_id
`
