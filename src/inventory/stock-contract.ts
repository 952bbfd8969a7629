import { z } from 'zod'
import { paginationFields } from '../http/pagination.ts'
import {
  currency,
  id,
  inputTime,
  moneyInput,
  moneyOutput,
  optional,
  text,
  timestamp,
  wholeNumber,
} from '../http/schema-fields.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { formatMoney } from '../platform/money.ts'
import { DEFAULT_TIME_ZONE } from './assert-time-zone.ts'
import type { MenuItem, Restaurant } from './inventory-entities.ts'
import { MAX_STOCK, reasonCodes } from './stock.ts'

/** Request and response schemas of restaurants and menu items. */

const DEFAULT_CURRENCY = 'EUR'

const restaurantId = id('restaurant', demoIds.restaurant)
const menuItemId = id('menu item', demoIds.margherita)
const ofRestaurant = { description: 'Name of the restaurant', example: 'Trattoria Bella Vista' }
const ofItem = { description: 'Name of the item', example: 'Pizza Margherita' }
const restaurantName = text(200, ofRestaurant)
const itemName = text(200, ofItem)
export const timeZone = z
  .string({ error: 'must be a string' })
  .regex(/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/, 'must be an IANA time zone like Europe/Rome')
  .meta({ description: 'IANA time zone of the periods of its statistics', example: 'Europe/Rome' })
const availableQty = wholeNumber(0, MAX_STOCK).meta({ description: 'Portions in stock', example: 100 })
const ofThreshold = {
  description:
    'Stock at or below this is low. An item that becomes low emits one `inventory.low_stock.v1`; null: never',
  example: 20,
}
const threshold = wholeNumber(0, MAX_STOCK).meta(ofThreshold)

const NOT_TRUE_OR_FALSE = 'must be true or false'
const active = z.boolean(NOT_TRUE_OR_FALSE)

const ofUntil = {
  description: 'Time from which new orders are accepted again; null: until further notice, or active',
  example: null,
}
const ofReason = { description: 'Why new orders are refused; null: no reason, or active', example: null }
const inactivity = {
  inactive_until: inputTime.nullable().optional().meta(ofUntil),
  inactive_reason: text(200, { description: 'Reason', example: 'the oven is broken' }, 'several lines')
    .nullable()
    .optional()
    .meta(ofReason),
}
const inactivityReply = {
  inactive_until: timestamp(ofUntil.description).nullable().meta(ofUntil),
  inactive_reason: z.string().nullable().meta(ofReason),
}

const EMPTY = 'must have at least one property'
const isNotEmpty = (body: object) => Object.keys(body).length > 0

export const restaurantParams = z.strictObject({ restaurant_id: restaurantId })
export const menuItemParams = z.strictObject({ menu_item_id: menuItemId })

export const addRestaurantBody = z
  .strictObject({
    name: restaurantName,
    currency: z
      .string({ error: 'must be a string' })
      .regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code like EUR')
      .nullish()
      .transform(value => value ?? DEFAULT_CURRENCY)
      .meta({
        description: `ISO 4217 code of all prices of the restaurant; default ${DEFAULT_CURRENCY}`,
        example: 'EUR',
        default: DEFAULT_CURRENCY,
      }),
    time_zone: optional(timeZone).meta({
      description: `IANA time zone of the periods of its statistics; default ${DEFAULT_TIME_ZONE}`,
      example: 'Europe/Rome',
      default: DEFAULT_TIME_ZONE,
    }),
  })
  .meta({ id: 'AddRestaurant', description: 'Restaurant to add' })

export const addMenuItemBody = z
  .strictObject({
    name: itemName,
    price: optional(moneyInput),
    available_qty: availableQty,
    low_stock_threshold: optional(threshold),
  })
  .meta({ id: 'AddMenuItem', description: 'Item to add to a menu' })

export const changeRestaurantBody = z
  .strictObject({
    name: restaurantName.optional(),
    time_zone: timeZone.optional(),
    active: active.optional().meta({ description: 'Whether new orders are accepted', example: true }),
    ...inactivity,
  })
  .refine(isNotEmpty, EMPTY)
  .meta({ id: 'ChangeRestaurant', minProperties: 1, description: 'Properties of a restaurant to change' })

export const changeMenuItemBody = z
  .strictObject({
    name: itemName.optional(),
    price: moneyInput.optional(),
    low_stock_threshold: threshold.nullable().optional().meta(ofThreshold),
    active: active.optional().meta({ description: 'Whether the item can be ordered', example: true }),
    ...inactivity,
  })
  .refine(isNotEmpty, EMPTY)
  .meta({ id: 'ChangeMenuItem', minProperties: 1, description: 'Properties of a menu item to change' })

export const restockBody = z
  .strictObject({
    quantity: wholeNumber(1, MAX_STOCK).meta({ description: 'Portions to add', example: 20 }),
    reason: text(
      200,
      { description: 'Reason, stored in the ledger', example: 'delivery of Tuesday' },
      'several lines',
    ),
  })
  .meta({ id: 'Restock', description: 'Portions to add to the stock of an item' })

export const adjustmentBody = z
  .strictObject({
    quantity: wholeNumber(-MAX_STOCK, MAX_STOCK)
      .refine(quantity => quantity !== 0, 'must not be 0')
      .meta({ description: 'Portions to add; negative: portions to remove', example: -2 }),
    reason_code: z
      .enum(reasonCodes, { error: `must be one of ${reasonCodes.join(', ')}` })
      .meta({ description: 'Kind of reason, stored in the ledger', example: 'WASTE' }),
    reason: optional(
      text(
        200,
        { description: 'Reason in words, stored in the ledger', example: 'dropped a tray' },
        'several lines',
      ),
    ),
  })
  .meta({ id: 'AdjustStock', description: 'Correction of the stock of an item' })

export const menuQuery = z.strictObject({
  ...paginationFields,
  low_stock: z.enum(['true', 'false'], { error: NOT_TRUE_OR_FALSE }).optional().meta({
    description: '`true`: only items whose stock is low; `false`: only the others; absent: all items',
    example: 'true',
  }),
})

export const restaurantReply = z
  .object({
    restaurant_id: restaurantId,
    name: z.string().meta(ofRestaurant),
    currency,
    time_zone: timeZone,
    active: active.meta({ description: 'Whether new orders are accepted', example: true }),
    ...inactivityReply,
    created_at: timestamp('Time of creation'),
  })
  .meta({ id: 'Restaurant', description: 'Restaurant' })

export const menuItemReply = z
  .object({
    menu_item_id: menuItemId,
    restaurant_id: restaurantId,
    name: z.string().meta(ofItem),
    price: moneyOutput('Price of one portion', '9.50'),
    currency,
    // No maximum: a restock up to MAX_STOCK and a later restore of cancelled orders can exceed it.
    available_qty: z.int().min(0).meta({ description: 'Portions in stock', example: 10 }),
    low_stock_threshold: threshold.nullable(),
    low_since: timestamp(
      'Time since which stock is low: at or below the threshold; null: it is not low',
    ).nullable(),
    active: active.meta({ description: 'Whether the item can be ordered', example: true }),
    ...inactivityReply,
    created_at: timestamp('Time of creation'),
    updated_at: timestamp('Time of the last change of the item or its stock'),
  })
  .meta({ id: 'MenuItem', description: 'Item of a menu with its stock' })

export type RestaurantReply = z.infer<typeof restaurantReply>
export type MenuItemReply = z.infer<typeof menuItemReply>

export function presentRestaurant({
  restaurant_id,
  name,
  currency,
  time_zone,
  deactivated_at,
  inactive_until,
  inactive_reason,
  created_at,
}: Restaurant): RestaurantReply {
  return {
    restaurant_id,
    name,
    currency,
    time_zone,
    active: deactivated_at === null,
    inactive_until: inactive_until?.toISOString() ?? null,
    inactive_reason,
    created_at: created_at.toISOString(),
  }
}

export function presentMenuItem(item: MenuItem & { restaurant: Restaurant }): MenuItemReply {
  const { menu_item_id, restaurant_id, name, price_minor, available_qty, low_stock_threshold, low_since } =
    item
  const { currency, currency_decimals } = item.restaurant
  return {
    menu_item_id,
    restaurant_id,
    name,
    price: formatMoney(price_minor, currency_decimals),
    currency,
    available_qty,
    low_stock_threshold,
    low_since: low_since?.toISOString() ?? null,
    active: item.deactivated_at === null,
    inactive_until: item.inactive_until?.toISOString() ?? null,
    inactive_reason: item.inactive_reason,
    created_at: item.created_at.toISOString(),
    updated_at: item.updated_at.toISOString(),
  }
}
