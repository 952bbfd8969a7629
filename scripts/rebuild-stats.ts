import { rebuildStats } from '../src/analytics/rebuild-stats.ts'
import { withDatabase } from './ops/ops-database.ts'
import { runScript } from './support/run-script.ts'

/** Millions of events are read in one statement. */
const TIMEOUT_MS = 3_600_000

/** Makes the statistics anew of the events that are kept; safe while everything runs. */
await runScript(async () => {
  const hours = await withDatabase(database => database.transaction(rebuildStats), TIMEOUT_MS)
  console.log(`${hours} hours of statistics were made anew of the events that are kept.`)
  return 0
})
