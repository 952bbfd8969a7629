import { z } from 'zod'
import { demoIds } from '../platform/demo-ids.ts'
import { defineEvent } from './define-event.ts'
import { amount, availability, changed, menuItemId, orderKeys, time } from './payload-fields.ts'

const { restaurant: restaurant_id, margherita } = demoIds

/** Events of restaurants and their menus, a part of the catalogue. */
export const menuEvents = {
  'inventory.low_stock.v1': defineEvent({
    title: 'Low stock',
    description:
      'A change of stock or threshold made the stock of a menu item low: at or below its threshold. The event is sent again only after the stock was above the threshold.',
    payload: z.object({
      restaurant_id: orderKeys.restaurant_id,
      menu_item_id: menuItemId,
      name: z.string().meta({ description: 'Name of the item' }),
      available_qty: z.int().nonnegative().meta({ description: 'Portions left' }),
      low_stock_threshold: z
        .int()
        .nonnegative()
        .meta({ description: 'Stock at or below this number is low' }),
      at: time('When the stock became low'),
    }),
    sequence: null,
    example: {
      event_id: '01a20485-b06a-7000-8000-0000000000e8',
      payload: {
        restaurant_id,
        menu_item_id: margherita,
        name: 'Pizza Margherita',
        available_qty: 2,
        low_stock_threshold: 3,
        at: '2026-11-22T18:30:00.042Z',
      },
    },
  }),

  'inventory.item.changed.v1': defineEvent({
    title: 'Menu item changed',
    description:
      'A caller changed, restocked or adjusted a menu item or took it off the menu, it returned to the menu, or its stock reached or left zero. Other changes of stock by orders have no event.',
    payload: z.object({
      restaurant_id: orderKeys.restaurant_id,
      menu_item_id: menuItemId,
      name: z.string().meta({ description: 'Name of the item' }),
      price: amount('Price of one portion'),
      ...availability,
      available_qty: z.int().nonnegative().meta({ description: 'Portions in stock' }),
      updated_at: time('When the item or its stock changed'),
      changed: changed('available_qty', 'active'),
    }),
    sequence: null,
    example: {
      event_id: '01a20485-b06a-7000-8000-0000000000e9',
      payload: {
        restaurant_id,
        menu_item_id: margherita,
        name: 'Pizza Margherita',
        price: '9.50',
        active: false,
        inactive_until: '2026-11-23T10:00:00.000Z',
        inactive_reason: 'the oven is broken',
        available_qty: 2,
        updated_at: '2026-11-22T18:30:00.042Z',
        changed: ['active', 'inactive_until', 'inactive_reason'],
      },
    },
  }),

  'restaurant.changed.v1': defineEvent({
    title: 'Restaurant changed',
    description:
      'A caller changed a restaurant or made it inactive, or it is active again because `inactive_until` has passed.',
    payload: z.object({
      restaurant_id: orderKeys.restaurant_id,
      name: z.string().meta({ description: 'Name of the restaurant' }),
      ...availability,
      changed: changed('name', 'active'),
    }),
    sequence: null,
    example: {
      event_id: '01a20485-b06a-7000-8000-0000000000ea',
      payload: {
        restaurant_id,
        name: 'Trattoria Bella Vista',
        active: false,
        inactive_until: '2026-11-22T19:00:00.000Z',
        inactive_reason: 'too many orders',
        changed: ['active', 'inactive_until', 'inactive_reason'],
      },
    },
  }),
} as const
