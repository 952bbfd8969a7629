import { documentNotFound } from '../http/document-not-found.ts'
import { restaurantParams } from '../inventory/stock-contract.ts'

/** What all operations that read of one restaurant's orders have alike. */
export const restaurantReads = {
  method: 'get',
  scope: 'orders:read',
  tag: 'Restaurants',
  params: restaurantParams,
  resource: 'restaurant',
  status: 200,
  errors: [documentNotFound('restaurant')],
} as const
