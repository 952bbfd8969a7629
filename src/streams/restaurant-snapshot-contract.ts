import { z } from 'zod'
import { restaurantReply } from '../inventory/stock-contract.ts'
import { orderReply } from '../orders/order-contract.ts'

/** Schema of a frame of the snapshot that the stream of a restaurant begins with. */
export const restaurantSnapshot = z
  .object({
    restaurant: restaurantReply,
    open_orders: z.array(orderReply).meta({
      description:
        'Orders that are neither DELIVERED nor CANCELLED, or those with the requested statuses; oldest first, over all parts',
    }),
    has_more_open_orders: z
      .boolean()
      .meta({ description: 'Whether there are newer open orders that the snapshot does not show' }),
    part: z.int().min(1).meta({ description: 'Number of this part of the snapshot: 1, 2, 3, …' }),
    part_count: z
      .int()
      .min(1)
      .meta({ description: 'Number of parts. The last one has an `id`, from which clients resume' }),
  })
  .meta({ title: 'Restaurant with its open orders' })

export type RestaurantSnapshot = z.infer<typeof restaurantSnapshot>
