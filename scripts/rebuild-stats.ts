import { rebuildStats } from '../src/analytics/rebuild-stats.ts'
import { withDatabase } from './ops/ops-database.ts'
import { runScript } from './support/run-script.ts'

/** One statement reads all retained events, which may be millions. */
const TIMEOUT_MS = 3_600_000

/** Rebuilds the hourly statistics from the retained events. Safe while the system runs. */
await runScript(async () => {
  const hours = await withDatabase(database => database.transaction(rebuildStats), TIMEOUT_MS)
  console.log(`Rebuilt ${hours} hours of statistics from the retained events.`)
  return 0
})
