import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import packageJson from '../package.json' with { type: 'json' }
import { parseConfig } from '../src/platform/config.ts'
import { buildAsyncApi } from '../src/processes/asyncapi.ts'
import { breakingChanges, type Catalogue } from './events/breaking-changes.ts'
import { currentCatalogue } from './events/current-catalogue.ts'
import { eventsPage } from './events/events-page.ts'
import { commandLine, nonEmpty } from './support/command-line.ts'
import { runScript } from './support/run-script.ts'
import { ScriptError } from './support/script-error.ts'

const root = join(import.meta.dirname, '..')
const docs = join(root, 'docs')
const generated = join(docs, 'generated')

interface Release {
  version: string
  events: Catalogue
}

await runScript(async () => {
  const options = commandLine(
    'npm run events --',
    'Writes docs/events.md and docs/generated/asyncapi.json from the event catalogue, and reports breaking changes.',
    'npm run events -- --check',
  )
    .option('--check', 'write nothing; only report breaking changes')
    .option('--against <FILE>', 'released catalogue to compare with', nonEmpty, 'docs/generated/events.json')
    .option('--release', 'also write docs/generated/events.json: make this catalogue the released one')
    .parse()
    .opts()
  const { version, events } = readRelease(options.against)
  const current = currentCatalogue()
  const broken = breakingChanges(events, current)
  for (const change of broken) console.error(change)
  if (broken.length > 0) {
    throw new ScriptError(
      `the catalogue breaks what ${version} has promised; docs/events.md says what may change, and what makes a v2`,
    )
  }
  console.log(`${Object.keys(current).length} events, and all that ${version} has promised of them holds`)
  if (options.check) return 0
  writeFileSync(join(docs, 'events.md'), eventsPage())
  writeJson(join(generated, 'asyncapi.json'), buildAsyncApi(parseConfig({})))
  if (options.release)
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
