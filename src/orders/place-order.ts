import { bigints, integers, smallints, texts, timestamps, uuids } from '../db/array-params.ts'
import type { Sql } from '../db/transaction.ts'
import { type EventOf, newEvent, type TraceContext } from '../events/catalogue.ts'
import { appendEventsSql, eventColumns } from '../outbox/append-event.ts'
import {
  type ExpectedError,
  type FieldError,
  NotFound,
  Overloaded,
  RestaurantInactive,
  ValidationFailed,
} from '../platform/errors.ts'
import {
  IdempotencyKeyInFlight,
  type IdempotentRequest,
  type StoredReply,
} from '../platform/idempotent-request.ts'
import { formatMoney } from '../platform/money.ts'
import { type CachedMenu, MenuCache } from './menu-cache.ts'

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
  /** renders the reply that is stored with the order; called once the order's prices are decided */
  replyOf: (order: PlacedOrder) => StoredReply
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

/** How often an order whose menu has changed meanwhile is decided anew. */
const MAX_ATTEMPT_COUNT = 5

/**
 * Places orders: each with its items (name and price as they are now), its first transition and its
 * `order.placed.v1`. Touches no stock.
 * Atomic: one statement writes the whole batch, all of it or nothing. A bad order is answered on its own and is not
 * part of it; nor is one whose key is taken (IdempotencyKeyInFlight): findStoredReply has what was answered to that key.
 * The statement compares what was decided on with the menu as it is now; an order whose menu has changed meanwhile is not
 * written, but decided on anew.
 * Idempotent by `order_id`.
 * @returns an outcome a request, in their order
 */
export async function placeOrders(
  sql: Sql,
  requests: readonly PlaceOrder[],
  memory = new MenuCache(),
): Promise<PlacementOutcome[]> {
  const outcomes = new Map<PlaceOrder, PlacementOutcome>()
  for (let attempt = 1; attempt <= MAX_ATTEMPT_COUNT && outcomes.size < requests.length; attempt++) {
    const open = requests.filter(request => !outcomes.has(request))
    await placeOpen(sql, open, memory, outcomes)
  }
  return requests.map(
    request => outcomes.get(request) ?? new Overloaded('The menu, which changes all the time,'),
  )
}

/** Settles these requests, but for those whose menu has to be read anew. */
async function placeOpen(
  sql: Sql,
  requests: readonly PlaceOrder[],
  memory: MenuCache,
  outcomes: Map<PlaceOrder, PlacementOutcome>,
): Promise<void> {
  const menu = await memory.recall(sql, requests)
  const placed_at = new Date()
  const placements: Placement[] = []
  for (const request of requests) {
    const decided = decidePlacement(request, menu, placed_at)
    if (decided instanceof Error) outcomes.set(request, decided)
    else placements.push({ request, order: decided, storedReply: request.idempotency?.replyOf(decided) })
  }
  if (placements.length === 0) return
  const { stale, keyed } = await writeOrders(sql, placements)
  for (const { request, order } of placements) {
    if (stale.has(order.order_id)) memory.forget(request)
    else if (request.idempotency && !keyed.has(order.order_id))
      outcomes.set(request, new IdempotencyKeyInFlight())
    else outcomes.set(request, order)
  }
}

interface Placement {
  request: PlaceOrder
  order: PlacedOrder
  /** present when the request carries an idempotency key */
  storedReply: StoredReply | undefined
}

/** Pure: merges lines of the same item, checks them against the menu, adds up. */
function decidePlacement(request: PlaceOrder, menu: CachedMenu, placed_at: Date): PlacementOutcome {
  const { order_id, restaurant_id, customer_id = null, notes = null } = request
  const items = new Map<string, PlacedOrder['items'][number]>()
  const errors: FieldError[] = []
  let currency = ''
  for (const [index, { menu_item_id, quantity }] of request.items.entries()) {
    const line = menu(restaurant_id, menu_item_id)
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

/** @returns ids of the orders whose menu has changed, and of those whose key was not taken before */
async function writeOrders(
  sql: Sql,
  placements: readonly Placement[],
): Promise<{ stale: Set<string>; keyed: Set<string> }> {
  const keys = placements.flatMap(({ request: { idempotency }, order, storedReply }) =>
    idempotency && storedReply ? [keyRow(order.order_id, idempotency, storedReply)] : [],
  )
  const values = [
    ...orderColumns(placements),
    ...itemColumns(placements),
    ...eventColumns(placements.map(({ order, request }) => placedEvent(order, request.trace))),
  ]
  const answered = await (keys.length === 0
    ? sql.query<Answered>(placeSql, values)
    : sql.query<Answered>(placeKeyedSql, [...values, JSON.stringify(keys)]))
  const idsOf = (what: Answered['what']) =>
    new Set(answered.flatMap(row => (row.what === what ? [row.order_id] : [])))
  return { stale: idsOf('stale'), keyed: idsOf('keyed') }
}

interface Answered {
  order_id: string
  what: 'stale' | 'keyed'
}

/** In the order of `o` in {@link placeSqlWhere}. */
function orderColumns(placements: readonly Placement[]): Buffer[] {
  const orders = placements.map(({ order }) => order)
  return [
    uuids(orders.map(order => order.order_id)),
    uuids(orders.map(order => order.restaurant_id)),
    texts(orders.map(order => order.currency)),
    bigints(orders.map(order => order.total_minor)),
    texts(orders.map(order => order.customer_id)),
    texts(orders.map(order => order.notes)),
    timestamps(orders.map(order => order.placed_at)),
    integers(placements.map(({ request }) => (request.idempotency ? 1 : null))),
  ]
}

/** In the order of `item` in {@link placeSqlWhere}. */
function itemColumns(placements: readonly Placement[]): Buffer[] {
  const items = placements.flatMap(({ order: { order_id, restaurant_id, currency, items } }) =>
    items.map(item => ({ order_id, restaurant_id, currency, ...item })),
  )
  return [
    uuids(items.map(item => item.order_id)),
    uuids(items.map(item => item.restaurant_id)),
    uuids(items.map(item => item.menu_item_id)),
    smallints(items.map(item => item.line_no)),
    texts(items.map(item => item.name)),
    bigints(items.map(item => item.price_minor)),
    integers(items.map(item => item.quantity)),
    texts(items.map(item => item.currency)),
  ]
}

function keyRow(order_id: string, { caller, key, fingerprint }: IdempotentRequest, reply: StoredReply) {
  return { caller, key, fingerprint, ...reply, order_id }
}

/**
 * Placed again under the same id (a retry after a lost answer), an order keeps its first event and nothing doubles.
 * @param keys a common table expression that takes keys, or nothing
 * @param condition which of the orders `o`, in SQL
 * @param answer what is selected beside the stale orders
 */
const placeSqlWhere = (keys: string, condition: string, answer: string) => `
  with item as (
    select *
    from unnest($9::uuid[], $10::uuid[], $11::uuid[], $12::smallint[], $13::text[], $14::bigint[], $15::integer[], $16::text[])
      as item (order_id, restaurant_id, menu_item_id, line_no, name, price_minor, quantity, currency)
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
      or m.deactivated_at is not null
      or r.deactivated_at is not null
  ), ${keys}placed as (
    insert into orders (order_id, restaurant_id, status, version, currency, total_minor, customer_id, notes, placed_at, updated_at)
    select order_id, restaurant_id, 'PLACED', 1, currency, total_minor, customer_id, notes, placed_at, placed_at
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::timestamptz[], $8::integer[])
      as o (order_id, restaurant_id, currency, total_minor, customer_id, notes, placed_at, keyed)
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
    ${appendEventsSql(17, 'null', 'order_id in (select order_id from placed)')}
  )
  select order_id, 'stale' as what
  from stale
  ${answer}
`

const placeSql = placeSqlWhere('', 'true', '')

/** Keys are taken in one order, so that two batches with the same keys never wait for each other crosswise. */
const takeKeys = `keys as (
    insert into idempotency_keys (caller, key, fingerprint, status, headers, body, order_id)
    select caller, key, fingerprint, status, headers, body, order_id
    from json_to_recordset($23::text::json) as k (caller text, key text, fingerprint text, status smallint,
      headers json, body json, order_id uuid)
    where order_id not in (select order_id from stale)
    order by caller, key
    on conflict do nothing
    returning order_id
  ), `

const placeKeyedSql = placeSqlWhere(
  takeKeys,
  '(o.keyed is null or o.order_id in (select order_id from keys))',
  `union all
  select order_id, 'keyed'
  from keys`,
)
