import { readOptions, wholeNumber } from '../../scripts/support/read-options.ts'
import { runScript } from '../../scripts/support/run-script.ts'
import { expectInvariants } from '../support/invariants.ts'
import { startTestServer, stopTestServer } from '../support/postgres.ts'
import { startSystem } from '../support/system.ts'
import { untilSlowly } from '../support/until.ts'
import { fuzzApi } from './fuzz-api.ts'

/** Sends a running system what its own document says, and what it does not, and holds each answer against it. */

const MAX_SHOWN_COUNT = 20

const command = {
  name: 'npm run test:fuzz --',
  summary:
    'Fuzzes the API from its OpenAPI document, on a database of its own, and checks the promises afterwards.',
  example: 'npm run test:fuzz -- --requests 20000 --seed 7',
}

await runScript(async () => {
  const options = readOptions(
    command,
    {
      requests: wholeNumber('how many', 2_000, 1, 1_000_000),
      seed: wholeNumber('makes the same requests again', Date.now() % 1_000_000, 0, 1_000_000_000),
    },
    process.argv.slice(2),
  )
  if (options === null) return 0
  await startTestServer()
  const system = await startSystem()
  try {
    const { requests: requestCount, seed } = options
    const { statuses, readBackCount, failures } = await fuzzApi({
      baseUrl: system.api.baseUrl,
      requestCount,
      seed,
    })
    await untilSlowly('no order waits for the slow path', async () => {
      const open = await system.database.query(`select 1 from orders where status = 'PLACED' limit 1`)
      return open.length === 0
    })
    await expectInvariants(system.database)
    for (const failure of failures.slice(0, MAX_SHOWN_COUNT)) console.error(failure)
    const counts = Object.entries(statuses).map(([status, count]) => `${status}: ${count}`)
    console.log(`seed ${seed}: ${requestCount} requests, ${counts.join(', ')}`)
    console.log(`${readBackCount} accepted inputs read back, ${failures.length} failures, every promise kept`)
    return failures.length === 0 ? 0 : 1
  } finally {
    await system.stop()
    await stopTestServer()
  }
})
