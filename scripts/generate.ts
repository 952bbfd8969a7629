import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generatedFiles } from './generate/generated-files.ts'
import { commandLine } from './support/command-line.ts'
import { runScript } from './support/run-script.ts'

const root = join(import.meta.dirname, '..')

await runScript(async () => {
  const { check } = commandLine(
    'npm run generate --',
    'Writes every generated file: the OpenAPI and AsyncAPI documents, docs/events.md and docs/configuration.md.',
    'npm run generate -- --check',
  )
    .option('--check', 'write nothing; exit with 1 when a file is out of date')
    .parse()
    .opts()
  const outdated = Object.entries(generatedFiles()).filter(
    ([file, content]) => readOrEmpty(join(root, file)) !== content,
  )
  for (const [file, content] of outdated) {
    if (!check) writeFileSync(join(root, file), content)
    console.log(check ? `${file} is out of date` : `${file} is written`)
  }
  if (outdated.length === 0) console.log('All generated files are up to date.')
  return check && outdated.length > 0 ? 1 : 0
})

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
