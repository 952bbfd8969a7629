import { z } from 'zod'
import { currency, id, moneyInput, moneyOutput, text, timestamp, wholeNumber } from '../http/schema-fields.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { formatMoney } from '../platform/money.ts'
import type { MenuItem, Restaurant } from './inventory-entities.ts'
import { MAX_STOCK } from './stock.ts'

/** The shapes of restaurants and menu items on the wire. */

const DEFAULT_CURRENCY = 'EUR'

const restaurantId = id('restaurant', demoIds.restaurant)
const menuItemId = id('menu item', demoIds.margherita)
const restaurantName = text(200).meta({
  description: 'Name of the restaurant',
  example: 'Trattoria Bella Vista',
})
const itemName = text(200).meta({ description: 'Name on the menu', example: 'Pizza Margherita' })
const availableQty = wholeNumber(0, MAX_STOCK).meta({ description: 'Portions on hand', example: 10 })
const threshold = wholeNumber(0, MAX_STOCK).meta({
  description: 'Below this, stock counts as low',
  example: 3,
})

const active = z.boolean('must be true or false')

const NOTHING = 'must have at least one property'
const isAnything = (body: object) => Object.keys(body).length > 0

export const restaurantParams = z.strictObject({ restaurant_id: restaurantId })
export const menuItemParams = z.strictObject({ menu_item_id: menuItemId })

export const addRestaurantBody = z
  .strictObject({
    name: restaurantName,
    currency: z
      .string({ error: 'must be a string' })
      .regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code like EUR')
      .default(DEFAULT_CURRENCY)
      .meta({
        description: `ISO 4217 code of all its prices; left out, ${DEFAULT_CURRENCY}`,
        example: 'EUR',
      }),
  })
  .meta({ id: 'AddRestaurant' })

export const addMenuItemBody = z
  .strictObject({
    name: itemName,
    price: moneyInput.optional(),
    available_qty: availableQty,
    low_stock_threshold: threshold.optional(),
  })
  .meta({ id: 'AddMenuItem' })

export const changeRestaurantBody = z
  .strictObject({
    name: restaurantName.optional(),
    active: active
      .optional()
      .meta({ description: 'false: it takes no orders, until it is active again', example: true }),
  })
  .refine(isAnything, NOTHING)
  .meta({ id: 'ChangeRestaurant', minProperties: 1 })

export const changeMenuItemBody = z
  .strictObject({
    name: itemName.optional(),
    price: moneyInput.optional(),
    low_stock_threshold: threshold
      .nullable()
      .optional()
      .meta({ description: 'Below this, stock counts as low; null: never', example: 3 }),
    active: active
      .optional()
      .meta({ description: 'false: no order takes it, until it is active again', example: true }),
  })
  .refine(isAnything, NOTHING)
  .meta({ id: 'ChangeMenuItem', minProperties: 1 })

export const restockBody = z
  .strictObject({
    quantity: wholeNumber(1, MAX_STOCK).meta({ description: 'Portions that have come', example: 20 }),
    reason: text(200).meta({ description: 'Why, for the ledger', example: 'delivery of Tuesday' }),
  })
  .meta({ id: 'Restock' })

export const restaurantReply = z
  .object({
    restaurant_id: restaurantId,
    name: restaurantName,
    currency,
    active: active.meta({ description: 'It takes orders', example: true }),
    created_at: timestamp('When it was added'),
  })
  .meta({ id: 'Restaurant' })

export const menuItemReply = z
  .object({
    menu_item_id: menuItemId,
    restaurant_id: restaurantId,
    name: itemName,
    price: moneyOutput('Price of one portion', '9.50'),
    currency,
    // Filled up while orders have some of it, it exceeds what may be put in once they give that back.
    available_qty: z.int().min(0).meta({ description: 'Portions on hand', example: 10 }),
    low_stock_threshold: threshold.nullable(),
    active: active.meta({ description: 'Orders may take it', example: true }),
    created_at: timestamp('When it was added'),
    updated_at: timestamp('When its stock or its entry last changed'),
  })
  .meta({ id: 'MenuItem' })

export type RestaurantReply = z.infer<typeof restaurantReply>
export type MenuItemReply = z.infer<typeof menuItemReply>

export function presentRestaurant({
  restaurant_id,
  name,
  currency,
  deactivated_at,
  created_at,
}: Restaurant): RestaurantReply {
  return {
    restaurant_id,
    name,
    currency,
    active: deactivated_at === null,
    created_at: created_at.toISOString(),
  }
}

export function presentMenuItem(item: MenuItem & { restaurant: Restaurant }): MenuItemReply {
  const { menu_item_id, restaurant_id, name, price_minor, available_qty, low_stock_threshold } = item
  const { currency } = item.restaurant
  return {
    menu_item_id,
    restaurant_id,
    name,
    price: formatMoney(price_minor, currency),
    currency,
    available_qty,
    low_stock_threshold,
    active: item.deactivated_at === null,
    created_at: item.created_at.toISOString(),
    updated_at: item.updated_at.toISOString(),
  }
}
