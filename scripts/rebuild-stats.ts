import { rebuildStats } from '../src/analytics/rebuild-stats.ts'
import { counted } from '../src/platform/counted.ts'
import { withDatabase } from './ops/ops-database.ts'
import { runScript } from './support/run-script.ts'

/** One statement reads all orders, which may be millions. */
const TIMEOUT_MS = 3_600_000

/** Rebuilds the statistics from the orders and their history. Safe while the system runs. */
await runScript(async () => {
  const { quarterHours, failed } = await withDatabase(
    database => database.transaction(rebuildStats),
    TIMEOUT_MS,
  )
  console.log(`Rebuilt ${counted(quarterHours, 'quarter hour')} of statistics from the orders.`)
  for (const { restaurant_id, error } of failed)
    console.error(`Failed for the restaurant ${restaurant_id}: ${error}`)
  return failed.length === 0 ? 0 : 1
})
