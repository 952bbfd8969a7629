import { documentNotFound } from '../http/document-not-found.ts'
import { orderParams } from './order-contract.ts'

/** What all operations that read one order have alike. */
export const orderReads = {
  method: 'get',
  scope: 'orders:read',
  tag: 'Orders',
  params: orderParams,
  resource: 'order',
  status: 200,
  errors: [documentNotFound('order')],
} as const
