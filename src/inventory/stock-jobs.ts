import { deductStock } from './deduct-stock.ts'
import { restoreStock } from './restore-stock.ts'

/** What the stock side does on the slow path: queue → handler. */
export const stockJobs = {
  'inventory.deduct': deductStock,
  'inventory.restore': restoreStock,
} as const
