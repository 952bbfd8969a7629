import { prepareOrders } from './prepare-order.ts'
import { rejectOrders } from './reject-order.ts'

/** What the order side does on the slow path: queue → handler. */
export const orderJobs = {
  'order.prepare': prepareOrders,
  'order.reject': rejectOrders,
} as const
