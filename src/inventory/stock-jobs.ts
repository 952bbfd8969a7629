import { deductStock } from './deduct-stock.ts'
import { restoreStock } from './restore-stock.ts'

/** The handler of each inventory queue of the asynchronous pipeline. */
export const stockJobs = {
  'inventory.deduct': deductStock,
  'inventory.restore': restoreStock,
} as const
