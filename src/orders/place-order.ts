import type { Queries } from '../db/transaction.ts'
import { now } from '../platform/clock.ts'
import { ExpectedError } from '../platform/errors.ts'
import { IdempotencyKeyInFlight } from '../platform/idempotent-request.ts'
import { decidePlacement, type PlacementOutcome, type PlaceOrder } from './decide-placement.ts'
import { insertOrders, isGuarded, type Placement, REFERENCE_OF_NO_ORDER } from './insert-orders.ts'
import { MenuCache } from './menu-cache.ts'

/** How often an order is decided, when its menu keeps changing between reading and inserting. */
const MAX_ATTEMPT_COUNT = 5

/**
 * Places a batch of orders: decides each against the cached menu, then inserts all accepted ones in
 * one statement ({@link insertOrders}). Deducts no stock: `order.placed.v1` starts that
 * asynchronously. A refused order does not affect the rest of the batch. An order that was decided
 * on an outdated menu is decided again on the current one. Idempotent by `order_id`.
 * @returns one outcome per request, in the order of the requests; IdempotencyKeyInFlight when the
 *   key or the client's reference was used before: the caller reads the earlier reply
 */
export async function placeOrders(
  sql: Queries,
  requests: readonly PlaceOrder[],
  cache = new MenuCache(),
): Promise<PlacementOutcome[]> {
  const outcomes = new Map<PlaceOrder, PlacementOutcome>()
  for (let attempt = 1; attempt <= MAX_ATTEMPT_COUNT && outcomes.size < requests.length; attempt++) {
    const undecided = requests.filter(request => !outcomes.has(request))
    await placeOnce(sql, undecided, cache, outcomes)
  }
  return requests.map(request => outcomes.get(request) ?? menuKeepsChanging())
}

/** Adds an outcome for each request, except those whose cached menu was outdated. */
async function placeOnce(
  sql: Queries,
  requests: readonly PlaceOrder[],
  cache: MenuCache,
  outcomes: Map<PlaceOrder, PlacementOutcome>,
): Promise<void> {
  const menu = await cache.load(sql, requests)
  const placed_at = now()
  const placements: Placement[] = []
  for (const request of requests) {
    const outcome = decidePlacement(request, menu, placed_at)
    if (outcome instanceof Error) outcomes.set(request, outcome)
    else placements.push({ request, order: outcome, storedReply: request.idempotency?.replyOf(outcome) })
  }
  if (placements.length === 0) return
  const { stale, admitted } = await insertOrders(sql, placements).catch((error: unknown) => {
    if ((error as { constraint?: string }).constraint !== REFERENCE_OF_NO_ORDER) throw error
    return { stale: undefined, admitted: new Set<string>() }
  })
  // Nothing was inserted: the orders are decided again, when the key is there to see.
  if (!stale) return
  for (const { request, order } of placements) {
    if (stale.has(order.order_id)) cache.invalidate(request)
    else if (isGuarded(request) && !admitted.has(order.order_id))
      outcomes.set(request, new IdempotencyKeyInFlight())
    else outcomes.set(request, order)
  }
}

function menuKeepsChanging(): ExpectedError {
  return new ExpectedError(
    'overloaded',
    'The menu keeps changing while the order is placed; try again in a moment',
  )
}
