import { restaurantParams } from './stock-contract.ts'

/** Settings shared by the operations that read the orders of one restaurant. */
export const restaurantRouteDefaults = {
  method: 'get',
  scope: 'orders:read',
  tag: 'Restaurants',
  params: restaurantParams,
  resource: 'restaurant',
  status: 200,
  errors: ['restaurant-not-found'],
} as const
