import { deductStock } from './deduct-stock.ts'
import { restoreStock } from './restore-stock.ts'
import { publishReturns } from './return-to-menu.ts'

/** The handler of each inventory queue of the asynchronous pipeline. */
export const stockJobs = {
  'inventory.deduct': deductStock,
  'inventory.restore': restoreStock,
  'inventory.return': publishReturns,
} as const
