import { setTimeout as delay } from 'node:timers/promises'
import { connect } from './support/connect.ts'
import { duration, flag, readOptions } from './support/read-options.ts'
import { describeChecks, runChecks } from './support/run-checks.ts'
import { runScript } from './support/run-script.ts'

/** Runs every check of the promises, in one snapshot; safe at any time, also under load. */

const command = {
  name: 'npm run verify --',
  summary:
    'Looks whether Comanda keeps its promises: one view of the schema ops a promise, each without rows while it is kept.\nExits with 1 when one is broken.',
  example: 'npm run verify -- --watch --every 10s',
}

await runScript(async () => {
  const options = readOptions(
    command,
    {
      watch: flag('look again and again, until one is broken or Ctrl-C'),
      every: duration('pause between two looks', '5s', 100, 3_600_000),
    },
    process.argv.slice(2),
  )
  if (options === null) return 0
  const client = await connect('comanda verify')
  try {
    for (;;) {
      const results = await runChecks(client)
      const broken = results.filter(({ rows }) => rows.length > 0).length
      if (!options.watch || broken > 0) {
        console.log(describeChecks(results))
        console.log(
          broken === 0 ? '\nEvery promise is kept.' : `\n${broken} of ${results.length} promises are broken.`,
        )
        return broken === 0 ? 0 : 1
      }
      console.log(`${new Date().toISOString()}  all ${results.length} promises are kept`)
      await delay(options.every)
    }
  } finally {
    await client.end().catch(() => undefined)
  }
})
