import { uuids } from '../db/array-params.ts'
import type { Tx } from '../db/transaction.ts'
import { type EventOf, follow, type TraceContext } from '../events/event.ts'
import { claimEvents } from '../jobs/inbox.ts'
import type { Handled } from '../outbox/event-handler.ts'
import { ACTIVE, type Availability } from './availability.ts'
import { itemChanged, type RestaurantState, restaurantChanged } from './changed-events.ts'
import { readMenuItems } from './stock-queries.ts'

type Inactive = EventOf<'inventory.item.changed.v1' | 'restaurant.changed.v1'>

/**
 * Publishes that items and restaurants are active again, once for each return. The return itself
 * needs no job: placement compares `inactive_until` with the clock of Postgres. Does nothing for a
 * row that a client has activated or deactivated for longer since.
 */
export async function publishReturns(tx: Tx, events: Inactive[]): Promise<Handled> {
  const byId = new Map(events.map(event => [idOf(event), event]))
  const traceOf = (id: string) => follow(byId.get(id))
  const restaurants = await returnRestaurants(tx, idsOf(events, 'restaurant.changed.v1'), traceOf)
  const items = await returnItems(tx, idsOf(events, 'inventory.item.changed.v1'), traceOf)
  const claimed = await claimEvents(tx, 'inventory.return', events)
  const returned = new Set([...restaurants, ...items].map(idOf))
  const outcomes = new Map(
    events.map(event => {
      if (!claimed.has(event.event_id)) return [event.event_id, 'already processed']
      return [event.event_id, returned.has(idOf(event)) ? 'active again' : 'nothing to return']
    }),
  )
  return { outcomes, events: [...restaurants, ...items] }
}

/**
 * Clears the items whose `inactive_until` has passed.
 * @returns their events, which the caller appends
 */
export async function returnItems(
  tx: Tx,
  ids: readonly string[],
  traceOf: (id: string) => TraceContext,
): Promise<EventOf<'inventory.item.changed.v1'>[]> {
  if (ids.length === 0) return []
  const rows = await tx.query<Availability & { menu_item_id: string }>(returnItemsSql, [uuids(ids)])
  const before = new Map(rows.map(row => [row.menu_item_id, row]))
  const items = await readMenuItems(tx, [...before.keys()])
  return items.map(item =>
    itemChanged({ ...item, ...before.get(item.menu_item_id) }, item, traceOf(item.menu_item_id)),
  )
}

/** Does the same as {@link returnItems} for restaurants. */
export async function returnRestaurants(
  tx: Tx,
  ids: readonly string[],
  traceOf: (id: string) => TraceContext,
): Promise<EventOf<'restaurant.changed.v1'>[]> {
  if (ids.length === 0) return []
  const rows = await tx.query<RestaurantState>(returnRestaurantsSql, [uuids(ids)])
  return rows.map(before =>
    restaurantChanged(before, { ...before, ...ACTIVE }, traceOf(before.restaurant_id)),
  )
}

function idsOf(events: readonly Inactive[], type: Inactive['type']): string[] {
  return events.filter(event => event.type === type).map(idOf)
}

function idOf({ payload }: Inactive): string {
  return 'menu_item_id' in payload ? payload.menu_item_id : payload.restaurant_id
}

const returnItemsSql = `
  update menu_items
  set deactivated_at = null, inactive_until = null, inactive_reason = null, version = version + 1,
    updated_at = greatest(updated_at, inactive_until)
  where menu_item_id = any(array(
    select menu_item_id
    from menu_items
    where menu_item_id = any($1::uuid[])
      and inactive_until <= clock_timestamp()
    order by menu_item_id
    for no key update
  ))
  returning menu_item_id, old.deactivated_at, old.inactive_until, old.inactive_reason
`

const returnRestaurantsSql = `
  update restaurants
  set deactivated_at = null, inactive_until = null, inactive_reason = null, version = version + 1
  where restaurant_id = any(array(
    select restaurant_id
    from restaurants
    where restaurant_id = any($1::uuid[])
      and inactive_until <= clock_timestamp()
    order by restaurant_id
    for no key update
  ))
  returning restaurant_id, name, time_zone, old.deactivated_at, old.inactive_until, old.inactive_reason
`
