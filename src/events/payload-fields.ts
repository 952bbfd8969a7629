import { z } from 'zod'

/** Fields that payloads of several events share. */

const id = (noun: string) => z.uuid().meta({ description: `Id of the ${noun}` })

export const time = (what: string) => z.iso.datetime().meta({ description: `${what}, in UTC` })

export const amount = (what: string) =>
  z
    .string()
    .regex(/^\d+(\.\d+)?$/)
    .meta({ description: `${what}, a decimal string with all decimals of the currency` })

export const itemName = z.string().meta({ description: 'Name of the item when the order was placed' })

export const orderKeys = { order_id: id('order'), restaurant_id: id('restaurant') }
export const menuItemId = id('menu item')

export const orderedItem = {
  menu_item_id: menuItemId,
  name: itemName,
  quantity: z.int().positive().meta({ description: 'Portions, summed over all lines of the item' }),
}

/** Whether a menu item or a restaurant takes orders. */
export const availability = {
  active: z.boolean().meta({ description: 'Whether new orders are accepted' }),
  inactive_until: z.iso.datetime().nullable().meta({
    description: 'Until when new orders are refused, in UTC; null: until further notice, or active',
  }),
  inactive_reason: z
    .string()
    .nullable()
    .meta({ description: 'Why new orders are refused, if a reason was given' }),
}

export const changed = (...examples: [string, string]) =>
  z
    .array(z.string())
    .min(1)
    .meta({
      description: `Names of the changed properties, as in the API, such as \`${examples.join('` and `')}\`. Not all of them are in this event`,
    })

/** The payload of an event that records a step in the history of an order. */
export const statusChange = <Status extends string>(status: Status) =>
  z.object({
    ...orderKeys,
    previous_status: z.string().meta({ description: 'Status of the order before the step' }),
    status: z.literal(status).meta({ description: 'Status of the order after the step' }),
    seq: z
      .int()
      .positive()
      .meta({ description: "Number of the step in the order's history: 1 is the placement; no gaps" }),
    actor: z.string().meta({
      description:
        '`client`: a caller of the API; `system`: the asynchronous pipeline. Other values may be added',
    }),
    reason: z.string().nullable().meta({ description: 'Reason, if one was given' }),
    at: time('When the status changed'),
  })

/**
 * Leaves the number after each step free for an event between two steps, such as the outcome of the
 * stock deduction.
 */
export const sequenceOfStep = { property: 'seq', times: 2, plus: -1 } as const
