import { EntitySchema } from 'typeorm'
import { hasReturnedSql, type StoredAvailability } from './availability.ts'

/** TypeORM entities for single rows. Sets, locks and hot statements are SQL. */

export interface Restaurant extends StoredAvailability {
  restaurant_id: string
  name: string
  currency: string
  /** decimals of all prices of the restaurant; ISO 4217 when the restaurant was created */
  currency_decimals: number
  /** IANA name */
  time_zone: string
  created_at: Date
}

export interface MenuItem extends StoredAvailability {
  menu_item_id: string
  restaurant_id: string
  name: string
  price_minor: number
  available_qty: number
  low_stock_threshold: number | null
  /** time since which the stock is at or below the threshold; null: it is not; set by a trigger */
  low_since: Date | null
  created_at: Date
  updated_at: Date
  restaurant?: Restaurant
}

/** A menu item as it was read, with its restaurant. */
export interface StoredMenuItem extends MenuItem {
  /** `updated_at` in microseconds since 1970 */
  updated_us: number
  restaurant: Restaurant
}

interface Movement {
  movement_id: string
  restaurant_id: string
  menu_item_id: string
  order_id: string | null
  event_id: string | null
  kind: string
  delta: number
  at: Date
}

/**
 * SQL for the `updated_at` of a changed item. It rises with each change, even when the clock is set
 * back, because the entity tag of the item has it.
 */
export const itemChangedAt = `greatest(clock_timestamp(), menu_items.updated_at + interval '1 microsecond')`

const availability = {
  deactivated_at: { type: 'timestamptz', nullable: true },
  inactive_until: { type: 'timestamptz', nullable: true },
  inactive_reason: { type: 'text', nullable: true },
  has_returned: { type: 'boolean', virtualProperty: true, query: hasReturnedSql },
} as const

const created = { type: 'timestamptz', default: () => 'clock_timestamp()' } as const

export const RestaurantEntity = new EntitySchema<Restaurant>({
  name: 'Restaurant',
  tableName: 'restaurants',
  columns: {
    restaurant_id: { type: 'uuid', primary: true },
    name: { type: 'text' },
    currency: { type: 'text' },
    currency_decimals: { type: 'smallint' },
    time_zone: { type: 'text' },
    ...availability,
    version: { type: 'integer' },
    created_at: created,
  },
})

export const MenuItemEntity = new EntitySchema<StoredMenuItem>({
  name: 'MenuItem',
  tableName: 'menu_items',
  columns: {
    menu_item_id: { type: 'uuid', primary: true },
    restaurant_id: { type: 'uuid', primary: true },
    name: { type: 'text' },
    price_minor: { type: 'bigint' },
    available_qty: { type: 'bigint' },
    low_stock_threshold: { type: 'integer', nullable: true },
    low_since: { type: 'timestamptz', nullable: true, insert: false, update: false },
    ...availability,
    version: { type: 'integer' },
    created_at: created,
    updated_at: created,
    updated_us: {
      type: 'bigint',
      virtualProperty: true,
      query: alias => `(extract(epoch from ${alias}.updated_at) * 1000000)::bigint`,
    },
  },
  relations: {
    restaurant: { type: 'many-to-one', target: 'Restaurant', joinColumn: { name: 'restaurant_id' } },
  },
})

export const StockMovementEntity = new EntitySchema<Movement>({
  name: 'StockMovement',
  tableName: 'stock_movements',
  columns: {
    menu_item_id: { type: 'uuid', primary: true },
    movement_id: { type: 'uuid', primary: true },
    restaurant_id: { type: 'uuid', primary: true },
    order_id: { type: 'uuid', nullable: true },
    event_id: { type: 'uuid', nullable: true },
    kind: { type: 'text' },
    delta: { type: 'bigint' },
    at: created,
  },
})

export const inventoryEntities: EntitySchema[] = [RestaurantEntity, MenuItemEntity, StockMovementEntity]
