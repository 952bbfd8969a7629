import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Argument } from '@commander-js/extra-typings'
import { commandLine } from './support/command-line.ts'
import { plainTable } from './support/plain-table.ts'
import { runScript } from './support/run-script.ts'

interface Part {
  /** a program of node_modules/.bin with its arguments */
  command: string
  /** what to do when the part fails */
  fix: string
}

const root = join(import.meta.dirname, '..')

/** `npm test` installs the packages of the browser tests first; `npm run check` alone does not. */
const hasBrowserPackages = existsSync(join(root, 'test', 'browser', 'node_modules'))

/** The parts of `npm run check`. */
const parts: Record<string, Part> = {
  format: { command: 'biome ci --error-on-warnings .', fix: 'npm run format' },
  types: { command: 'tsc', fix: 'fix the reported lines' },
  'types-page': { command: 'tsc -p src/pages/browser', fix: 'fix the reported lines' },
  ...(hasBrowserPackages
    ? { 'types-browser': { command: 'tsc -p test/browser', fix: 'fix the reported lines' } }
    : {}),
  lint: {
    // Without their types, the linter reports the types of the missing packages as errors.
    command: `oxlint --type-aware --deny-warnings${hasBrowserPackages ? '' : ' --ignore-pattern test/browser'}`,
    fix: 'npm run check -- lint, then fix the reported lines',
  },
  imports: {
    command: 'depcruise src scripts --config .dependency-cruiser.cjs',
    fix: 'import downward only; docs/architecture.md lists the layers',
  },
  unused: { command: 'knip', fix: 'remove what is unused (code: npm exec knip -- --fix)' },
  lockfile: {
    command: 'lockfile-lint --path package-lock.json --type npm --validate-https --validate-integrity',
    fix: 'npm install, with the registry as the only source of packages',
  },
  supply: { command: 'node scripts/supply.ts', fix: 'replace the named package' },
  events: { command: 'node scripts/events.ts', fix: 'undo the change, or add a v2 (docs/events.md)' },
  generated: { command: 'node scripts/generate.ts --check', fix: 'npm run generate' },
}

const CONCURRENCY = 2

interface Result {
  name: string
  seconds: number
  isOk: boolean
}

await runScript(async () => {
  const [names] = commandLine(
    'npm run check --',
    'Checks the source without running tests. Runs all parts, also when one fails, and exits with 1 if any fails.',
    'npm run check -- types lint',
  )
    .addArgument(new Argument('[parts...]', 'parts to run (default: all)').choices(Object.keys(parts)))
    .parse().processedArgs
  const wanted = Object.entries(parts).filter(([name]) => names.length === 0 || names.includes(name))
  const queue = wanted.values()
  const results: Result[] = []
  const runNext = async () => {
    for (const [name, part] of queue) results.push(await runPart(name, part))
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, runNext))
  console.log(`\n${describe(results)}`)
  return results.every(({ isOk }) => isOk) ? 0 : 1
})

/** Runs a part. Its output is printed at once, and only if it fails. */
async function runPart(name: string, { command }: Part): Promise<Result> {
  const started = performance.now()
  const [program = '', ...args] = command.split(' ')
  const child = spawn(process.execPath, [join(root, 'scripts', 'run.js'), program, ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output: Buffer[] = []
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => void output.push(chunk))
  const status = await new Promise<number | null>((done, fail) =>
    child.once('error', fail).once('close', done),
  )
  const isOk = status === 0
  if (!isOk) console.log(`\n${name}: ${command}\n${Buffer.concat(output).toString().trimEnd()}`)
  return { name, seconds: (performance.now() - started) / 1_000, isOk }
}

function describe(results: readonly Result[]): string {
  const rows = Object.entries(parts).flatMap(([name, { fix }]) => {
    const result = results.find(each => each.name === name)
    if (!result) return []
    const { isOk, seconds } = result
    return [[name, seconds.toFixed(1), isOk ? 'ok' : 'FAILED', isOk ? '' : fix]]
  })
  return plainTable(['left', 'right', 'left', 'left'], ['part', 'seconds', '', 'to fix'], rows)
}
