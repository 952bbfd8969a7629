import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { licenceTroubles } from './supply/licences.ts'
import { type Lockfile, lockedPackages, lockfileTroubles } from './supply/lockfile.ts'
import { runScript } from './support/run-script.ts'

/** Checks where the packages come from, and under which licences those of production are. Asks nobody: works offline. */

const root = join(import.meta.dirname, '..')

await runScript(async () => {
  const lockfile = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lockfile
  const troubles = [...lockfileTroubles(lockfile), ...licenceTroubles(lockfile, root)]
  for (const trouble of troubles) console.error(trouble)
  console.log(`${lockedPackages(lockfile).length} packages, ${troubles.length} troubles`)
  return troubles.length === 0 ? 0 : 1
})
