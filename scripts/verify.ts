import { setTimeout as delay } from 'node:timers/promises'
import { Option } from '@commander-js/extra-typings'
import { commandLine, duration } from './support/command-line.ts'
import { connect } from './support/connect.ts'
import { describeChecks, runChecks } from './support/run-checks.ts'
import { runScript } from './support/run-script.ts'

/** Checks every invariant in one snapshot. Safe at any time, also under load. */
await runScript(async () => {
  const options = commandLine(
    'npm run verify --',
    'Checks the invariants of the database: each is a view ops.check_… that has no rows while it holds.\nExits with 1 when one is violated.',
    'npm run verify -- --watch --every 10s',
  )
    .option('--watch', 'repeat until an invariant is violated, or until Ctrl-C')
    .addOption(
      new Option('--every <TIME>', 'pause between two checks')
        .argParser(duration(100, 3_600_000))
        .default(5_000, '5s'),
    )
    .parse()
    .opts()
  const client = await connect('comanda verify')
  try {
    for (;;) {
      const results = await runChecks(client)
      const violated = results.filter(({ rows }) => rows.length > 0).length
      if (!options.watch || violated > 0) {
        console.log(describeChecks(results))
        console.log(
          violated === 0
            ? '\nAll invariants hold.'
            : `\n${violated} of ${results.length} invariants ${violated === 1 ? 'is' : 'are'} violated.`,
        )
        return violated === 0 ? 0 : 1
      }
      console.log(`${new Date().toISOString()}  all ${results.length} invariants hold`)
      await delay(options.every)
    }
  } finally {
    await client.end().catch(() => undefined)
  }
})
