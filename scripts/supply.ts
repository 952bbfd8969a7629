import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { counted } from '../src/platform/counted.ts'
import { licenceProblems } from './supply/licences.ts'
import { type Lockfile, lockedPackages, lockfileProblems } from './supply/lockfile.ts'
import { runScript } from './support/run-script.ts'

/** Checks that every package has a version and a hash, and a permitted licence. Works offline. */

const root = join(import.meta.dirname, '..')

await runScript(async () => {
  const lockfile = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lockfile
  const problems = [...lockfileProblems(lockfile), ...licenceProblems(lockfile, root)]
  for (const problem of problems) console.error(problem)
  console.log(`${lockedPackages(lockfile).length} packages, ${counted(problems.length, 'problem')}`)
  return problems.length === 0 ? 0 : 1
})
