import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { plainTable } from '../../scripts/support/plain-table.ts'
import { readOptions, text } from '../../scripts/support/read-options.ts'
import { runScript } from '../../scripts/support/run-script.ts'
import { ScriptError } from '../../scripts/support/script-error.ts'
import { guards } from './guards.ts'
import { copyProject, removeGuard, runTests } from './run-mutation.ts'

/** The mutation proof: a promise that no test misses when its guard is gone is not proven. */

const command = {
  name: 'npm run test:mutations --',
  summary: `Removes each of ${guards.length} guards in turn, in a copy of the project, and runs the tests: they have to fail.
Exits with 1 when they pass without a guard, or fail with all of them.`,
  example: 'npm run test:mutations -- --only job-id,fencing',
}

await runScript(async () => {
  const options = readOptions(
    command,
    { only: text('guards, by name and with commas', '') },
    process.argv.slice(2),
  )
  if (options === null) return 0
  const names = options.only.split(',')
  const wanted = guards.filter(({ name }) => options.only === '' || names.includes(name))
  if (wanted.length === 0)
    throw new ScriptError(`--only has to name some of ${guards.map(({ name }) => name).join(', ')}`)
  const folder = mkdtempSync(join(tmpdir(), 'comanda-mutations-'))
  try {
    copyProject(folder)
    console.error('with all guards …')
    const failure = await runTests(folder, [...new Set(wanted.flatMap(({ tests }) => tests))])
    if (failure) throw new ScriptError(`the tests fail with all guards in place: ${failure}`)
    const rows: string[][] = []
    for (const guard of wanted) {
      console.error(`without ${guard.name} …`)
      copyProject(folder)
      removeGuard(folder, guard)
      rows.push([guard.name, guard.about, (await runTests(folder, guard.tests)) ?? 'NOT NOTICED'])
    }
    console.log(
      plainTable(['left', 'left', 'left'], ['guard', 'what is removed', 'the test that fails'], rows),
    )
    return rows.some(([, , noticed]) => noticed === 'NOT NOTICED') ? 1 : 0
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
