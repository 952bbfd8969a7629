import { Option } from '@commander-js/extra-typings'
import { commandLine, wholeNumber } from '../../scripts/support/command-line.ts'
import { runScript } from '../../scripts/support/run-script.ts'
import { expectInvariants } from '../support/invariants.ts'
import { startTestServer, stopTestServer } from '../support/postgres.ts'
import { processRoles } from '../support/role-logins.ts'
import { startSystem } from '../support/system.ts'
import { untilSlowly } from '../support/until.ts'
import { fuzzApi } from './fuzz-api.ts'

/**
 * Sends valid and invalid requests to a running system and checks each response against the OpenAPI
 * document.
 */

const MAX_SHOWN_COUNT = 20

await runScript(async () => {
  const options = commandLine(
    'npm run test:fuzz --',
    'Fuzzes the API from its OpenAPI document, on a temporary database, and checks the invariants afterwards.',
    'npm run test:fuzz -- --requests 20000 --seed 7',
  )
    .option('--requests <N>', 'number of requests', wholeNumber(1, 1_000_000), 2_000)
    .addOption(
      new Option('--seed <N>', 'determines the requests')
        .argParser(wholeNumber(0, 1_000_000_000))
        .default(Date.now() % 1_000_000, 'a new one'),
    )
    .parse()
    .opts()
  await startTestServer()
  const system = await startSystem([...processRoles, 'operations'])
  try {
    const { requests: requestCount, seed } = options
    const { statuses, readBackCount, failures } = await fuzzApi({
      baseUrl: system.api.baseUrl,
      requestCount,
      seed,
    })
    await untilSlowly('no order is PLACED', async () => {
      const open = await system.database.query(`select 1 from orders where status = 'PLACED' limit 1`)
      return open.length === 0
    })
    await expectInvariants(system.database)
    for (const failure of failures.slice(0, MAX_SHOWN_COUNT)) console.error(failure)
    const counts = Object.entries(statuses).map(([status, count]) => `${status}: ${count}`)
    console.log(`seed ${seed}: ${requestCount} requests, ${counts.join(', ')}`)
    console.log(
      `${readBackCount} accepted inputs read back, ${failures.length} failures, all invariants hold`,
    )
    return failures.length === 0 ? 0 : 1
  } finally {
    await system.stop()
    await stopTestServer()
  }
})
