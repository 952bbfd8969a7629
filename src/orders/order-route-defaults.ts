import { notFoundExample } from '../http/openapi/error-examples.ts'
import { orderParams } from './order-contract.ts'

/** What all operations that read one order have alike. */
export const orderRouteDefaults = {
  method: 'get',
  scope: 'orders:read',
  tag: 'Orders',
  params: orderParams,
  resource: 'order',
  status: 200,
  errors: [notFoundExample('order')],
} as const
