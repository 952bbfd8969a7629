import type { Sql } from '../db/transaction.ts'

/** An item as its restaurant's menu had it when it was read. */
export interface MenuLine {
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

interface Lines {
  restaurant_id: string
  items: readonly { menu_item_id: string }[]
}

/** What a batch of orders needs to know of menus. */
export type CachedMenu = (restaurantId: string, menuItemId: string) => MenuLine | undefined

/** Lines of menus that are remembered; about 400 bytes each. */
const MAX_LINE_COUNT = 10_000

/**
 * Remembers lines of menus, so that a batch of orders is one round trip instead of two. What it says may be out of date:
 * who writes on its word compares it with the menu in the same statement. Nobody is refused on its word: it remembers only
 * what orders may take, and all else is read each time.
 */
export class MenuCache {
  readonly #lines = new Map<string, MenuLine>()

  /** The lines that these ask for; reads those that are not remembered, if any, in one statement. */
  async recall(sql: Sql, asked: readonly Lines[]): Promise<CachedMenu> {
    const lines = new Map<string, MenuLine>()
    const unknown = new Map<string, [restaurantId: string, menuItemId: string]>()
    for (const { restaurant_id, items } of asked) {
      for (const { menu_item_id } of items) {
        const key = keyOf(restaurant_id, menu_item_id)
        const line = this.#lines.get(key)
        if (line) lines.set(key, line)
        else unknown.set(key, [restaurant_id, menu_item_id])
      }
    }
    if (unknown.size > 0) {
      for (const line of await readLines(sql, [...unknown.values()])) {
        const key = keyOf(line.restaurant_id, line.menu_item_id)
        lines.set(key, line)
        if (line.name !== null && line.is_open && line.is_active) this.#remember(key, line)
      }
    }
    return (restaurantId, menuItemId) => lines.get(keyOf(restaurantId, menuItemId))
  }

  /** What these lines say is read anew the next time. */
  forget({ restaurant_id, items }: Lines): void {
    for (const { menu_item_id } of items) this.#lines.delete(keyOf(restaurant_id, menu_item_id))
  }

  #remember(key: string, line: MenuLine): void {
    if (this.#lines.size >= MAX_LINE_COUNT) {
      // A Map's first key is the one that has been there longest.
      for (const oldest of this.#lines.keys()) {
        this.#lines.delete(oldest)
        break
      }
    }
    this.#lines.set(key, line)
  }
}

function keyOf(restaurantId: string, menuItemId: string): string {
  return `${restaurantId}/${menuItemId}`
}

async function readLines(sql: Sql, pairs: readonly [string, string][]): Promise<MenuLine[]> {
  return await sql.query<MenuLine>(menuSql, [
    pairs.map(([restaurant]) => restaurant),
    pairs.map(([, item]) => item),
  ])
}

const menuSql = `
  select wanted.restaurant_id, wanted.menu_item_id,
    r.currency, r.deactivated_at is null as is_open,
    m.name, m.price_minor, m.deactivated_at is null as is_active
  from unnest($1::uuid[], $2::uuid[]) as wanted (restaurant_id, menu_item_id)
  left join restaurants as r
    on r.restaurant_id = wanted.restaurant_id
  left join menu_items as m
    on m.menu_item_id = wanted.menu_item_id
    and m.restaurant_id = wanted.restaurant_id
`
