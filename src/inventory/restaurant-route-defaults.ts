import { restaurantParams } from './stock-contract.ts'

/** What all operations that read of one restaurant's orders have alike. */
export const restaurantRouteDefaults = {
  method: 'get',
  scope: 'orders:read',
  tag: 'Restaurants',
  params: restaurantParams,
  resource: 'restaurant',
  status: 200,
  errors: ['restaurant-not-found'],
} as const
