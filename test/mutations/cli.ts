import { rmSync } from 'node:fs'
import { chosen, commandLine, names } from '../../scripts/support/command-line.ts'
import { plainTable } from '../../scripts/support/plain-table.ts'
import { runScript } from '../../scripts/support/run-script.ts'
import { ScriptError } from '../../scripts/support/script-error.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { copyProject, removeSafeguard } from './remove-safeguard.ts'
import { runTests } from './run-tests.ts'
import { safeguards } from './safeguards.ts'

/** The mutation proof: a safeguard is proven only if a test fails without it. */

const NOT_NOTICED = 'NOT NOTICED'

await runScript(async () => {
  const { only } = commandLine(
    'npm run test:mutations --',
    `Removes each of ${safeguards.length} safeguards in turn, in a copy of the project, and runs its tests, which must fail.\nExits with 1 when tests pass without a safeguard, or fail with all of them in place.`,
    'npm run test:mutations -- --only job-id,fencing',
  )
    .option('--only <NAMES>', 'names of safeguards, separated by commas (default: all)', names)
    .parse()
    .opts()
  const wanted = chosen(only, safeguards)
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
