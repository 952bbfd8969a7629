import { rmSync } from 'node:fs'
import { plainTable } from '../../scripts/support/plain-table.ts'
import { readOptions, text } from '../../scripts/support/read-options.ts'
import { runScript } from '../../scripts/support/run-script.ts'
import { ScriptError } from '../../scripts/support/script-error.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { copyProject, removeSafeguard } from './remove-safeguard.ts'
import { runTests } from './run-tests.ts'
import { safeguards } from './safeguards.ts'

/** The mutation proof: a safeguard is proven only if a test fails without it. */

const NOT_NOTICED = 'NOT NOTICED'

const command = {
  name: 'npm run test:mutations --',
  summary: `Removes each of ${safeguards.length} safeguards in turn, in a copy of the project, and runs its tests, which must fail.
Exits with 1 when tests pass without a safeguard, or fail with all of them in place.`,
  example: 'npm run test:mutations -- --only job-id,fencing',
}

await runScript(async () => {
  const options = readOptions(
    command,
    { only: text('names of safeguards, separated by commas', '') },
    process.argv.slice(2),
  )
  if (options === null) return 0
  const names = options.only.split(',')
  const wanted = safeguards.filter(({ name }) => options.only === '' || names.includes(name))
  if (wanted.length === 0)
    throw new ScriptError(`--only must name one or more of ${safeguards.map(({ name }) => name).join(', ')}`)
  const folder = temporaryFolder('mutations')
  try {
    copyProject(folder)
    console.error('with all safeguards …')
    const failure = await runTests(folder, [...new Set(wanted.flatMap(({ tests }) => tests))])
    if (failure) throw new ScriptError(`the tests fail with all safeguards in place: ${failure}`)
    const rows: string[][] = []
    for (const safeguard of wanted) {
      console.error(`without ${safeguard.name} …`)
      copyProject(folder)
      removeSafeguard(folder, safeguard)
      const failed = await runTests(folder, safeguard.tests)
      rows.push([safeguard.name, safeguard.about, failed ?? NOT_NOTICED])
    }
    console.log(plainTable(['left', 'left', 'left'], ['safeguard', 'removed code', 'test that fails'], rows))
    return rows.some(([, , failed]) => failed === NOT_NOTICED) ? 1 : 0
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
