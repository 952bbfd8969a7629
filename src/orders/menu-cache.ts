import type { Queries } from '../db/transaction.ts'
import { isInactiveSql } from './is-inactive-sql.ts'

/** A menu item with its restaurant, as it was when it was read. */
interface MenuEntry {
  restaurant_id: string
  menu_item_id: string
  /** null: the restaurant does not exist */
  currency: string | null
  /** null when `currency` is null */
  currency_decimals: number | null
  /** the restaurant takes orders */
  is_open: boolean
  /** when a closed restaurant takes orders again; null: not known */
  closed_until: Date | null
  /** null: the item is not on the menu of the restaurant */
  name: string | null
  price_minor: number | null
  /** the item can be ordered */
  is_active: boolean
  /** when an inactive item can be ordered again; null: not known */
  inactive_until: Date | null
}

/** The part of an order that names its menu items. */
interface OrderedItems {
  restaurant_id: string
  items: readonly { menu_item_id: string }[]
}

/** Returns the entry of an item, without a query. */
export type MenuLookup = (restaurantId: string, menuItemId: string) => MenuEntry | undefined

/** Entries in the cache; about 400 bytes each. */
const MAX_ENTRY_COUNT = 10_000

/**
 * Caches menu entries, so that placing a batch of orders takes one round trip instead of two.
 * Other processes change menus, so an entry may be outdated. That is safe: the insert compares each
 * entry with the menu in its own snapshot, and an outdated one is invalidated. Only items that can
 * be ordered are cached, so no order is refused because of an outdated entry.
 */
export class MenuCache {
  readonly #entries = new Map<string, MenuEntry>()

  /** Returns the entries of all items of these orders; reads missing ones in one query. */
  async load(sql: Queries, orders: readonly OrderedItems[]): Promise<MenuLookup> {
    const entries = new Map<string, MenuEntry>()
    const missing = new Map<string, [restaurantId: string, menuItemId: string]>()
    for (const { restaurant_id, items } of orders) {
      for (const { menu_item_id } of items) {
        const key = keyOf(restaurant_id, menu_item_id)
        const entry = this.#entries.get(key)
        if (entry) entries.set(key, entry)
        else missing.set(key, [restaurant_id, menu_item_id])
      }
    }
    if (missing.size > 0) {
      for (const entry of await readEntries(sql, [...missing.values()])) {
        const key = keyOf(entry.restaurant_id, entry.menu_item_id)
        entries.set(key, entry)
        if (entry.name !== null && entry.is_open && entry.is_active) this.#add(key, entry)
      }
    }
    return (restaurantId, menuItemId) => entries.get(keyOf(restaurantId, menuItemId))
  }

  /** Removes the entries of an order, so that the next load reads them. */
  invalidate({ restaurant_id, items }: OrderedItems): void {
    for (const { menu_item_id } of items) this.#entries.delete(keyOf(restaurant_id, menu_item_id))
  }

  /** Adds an entry; a full cache evicts its oldest entry, which is the first key of the Map. */
  #add(key: string, entry: MenuEntry): void {
    if (this.#entries.size >= MAX_ENTRY_COUNT) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest)
        break
      }
    }
    this.#entries.set(key, entry)
  }
}

function keyOf(restaurantId: string, menuItemId: string): string {
  return `${restaurantId}/${menuItemId}`
}

async function readEntries(sql: Queries, pairs: readonly [string, string][]): Promise<MenuEntry[]> {
  return await sql.query<MenuEntry>(menuSql, [
    pairs.map(([restaurant]) => restaurant),
    pairs.map(([, item]) => item),
  ])
}

const menuSql = `
  select wanted.restaurant_id, wanted.menu_item_id,
    r.currency, r.currency_decimals, not ${isInactiveSql('r')} as is_open, r.inactive_until as closed_until,
    m.name, m.price_minor, not ${isInactiveSql('m')} as is_active, m.inactive_until
  from unnest($1::uuid[], $2::uuid[]) as wanted (restaurant_id, menu_item_id)
  left join restaurants as r
    on r.restaurant_id = wanted.restaurant_id
  left join menu_items as m
    on m.menu_item_id = wanted.menu_item_id
    and m.restaurant_id = wanted.restaurant_id
`
