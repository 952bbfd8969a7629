import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import packageJson from '../package.json' with { type: 'json' }
import { parseConfig } from '../src/platform/config.ts'
import { buildAsyncApi } from '../src/processes/asyncapi.ts'
import { breakingChanges, type Catalogue } from './events/breaking-changes.ts'
import { currentCatalogue } from './events/current-catalogue.ts'
import { eventsPage } from './events/events-page.ts'
import { flag, readOptions, text } from './support/read-options.ts'
import { runScript } from './support/run-script.ts'
import { ScriptError } from './support/script-error.ts'

const command = {
  name: 'npm run events --',
  summary:
    'Writes docs/events.md and docs/generated/asyncapi.json of the event catalogue, and says what in it breaks a release.',
  example: 'npm run events -- --check',
}
const options = {
  check: flag('write nothing; fail when the catalogue breaks what has been released'),
  against: text('file of the release to compare with', 'docs/generated/events.json'),
  release: flag('make the catalogue the released one, in docs/generated/events.json'),
}

const root = join(import.meta.dirname, '..')
const docs = join(root, 'docs')
const generated = join(docs, 'generated')

interface Release {
  version: string
  events: Catalogue
}

await runScript(async () => {
  const given = readOptions(command, options, process.argv.slice(2))
  if (!given) return 0
  const { version, events } = readRelease(given.against)
  const current = currentCatalogue()
  const broken = breakingChanges(events, current)
  for (const change of broken) console.error(change)
  if (broken.length > 0) {
    throw new ScriptError(
      `the catalogue breaks what ${version} has promised; docs/events.md says what may change, and what makes a v2`,
    )
  }
  console.log(`${Object.keys(current).length} events, and all that ${version} has promised of them holds`)
  if (given.check) return 0
  writeFileSync(join(docs, 'events.md'), eventsPage())
  writeJson(join(generated, 'asyncapi.json'), buildAsyncApi(parseConfig({})))
  if (given.release)
    writeJson(join(generated, 'events.json'), {
      version: packageJson.version,
      events: current,
    } satisfies Release)
  return 0
})

/** @param file seen from the folder of this repository */
function readRelease(file: string): Release {
  try {
    return JSON.parse(readFileSync(resolve(root, file), 'utf8')) as Release
  } catch (error) {
    throw new ScriptError(`${file} cannot be read: ${(error as Error).message}`)
  }
}

function writeJson(file: string, value: object): void {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`)
}
