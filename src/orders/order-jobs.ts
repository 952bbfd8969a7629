import { prepareOrders } from './prepare-order.ts'
import { rejectOrders } from './reject-order.ts'

/** The handler of each order queue of the asynchronous pipeline. */
export const orderJobs = {
  'order.prepare': prepareOrders,
  'order.reject': rejectOrders,
} as const
