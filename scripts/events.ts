import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import packageJson from '../package.json' with { type: 'json' }
import { breakingChanges, type Catalogue } from './events/breaking-changes.ts'
import { currentCatalogue } from './events/current-catalogue.ts'
import { commandLine, nonEmpty } from './support/command-line.ts'
import { runScript } from './support/run-script.ts'
import { ScriptError } from './support/script-error.ts'

const root = join(import.meta.dirname, '..')
const RELEASED = 'docs/generated/events.json'

interface Release {
  version: string
  events: Catalogue
}

await runScript(async () => {
  const options = commandLine(
    'npm run events --',
    'Compares the event catalogue with the released one, and exits with 1 on a breaking change.',
    'npm run events',
  )
    .option('--against <FILE>', 'released catalogue to compare with', nonEmpty, RELEASED)
    .option('--release', `make this catalogue the released one: write it to ${RELEASED}`)
    .parse()
    .opts()
  const { version, events } = readRelease(options.against)
  const current = currentCatalogue()
  const broken = breakingChanges(events, current)
  for (const change of broken) console.error(change)
  if (broken.length > 0) {
    throw new ScriptError(
      `the catalogue is not compatible with release ${version}; docs/events.md lists the permitted changes`,
    )
  }
  console.log(`${Object.keys(current).length} events, compatible with release ${version}`)
  if (options.release) {
    const release = { version: packageJson.version, events: current } satisfies Release
    writeFileSync(
      join(root, RELEASED),
      `${JSON.stringify(release, null, 2)}
`,
    )
  }
  return 0
})

/** @param file path relative to the root of the repository */
function readRelease(file: string): Release {
  try {
    return JSON.parse(readFileSync(resolve(root, file), 'utf8')) as Release
  } catch (error) {
    throw new ScriptError(`${file} cannot be read: ${(error as Error).message}`)
  }
}
