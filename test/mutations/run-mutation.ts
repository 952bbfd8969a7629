import { spawn } from 'node:child_process'
import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ScriptError } from '../../scripts/support/script-error.ts'
import type { Guard } from './guards.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const COPIED = ['src', 'migrations', 'scripts', 'test', 'package.json', 'README.md', 'CHANGELOG.md']
const MODEL_SEQUENCES = '100'
/** A test run that hangs has noticed, too. */
const TIMEOUT_MS = 300_000

/** Puts the project as it is into a folder, over what is there. */
export function copyProject(folder: string): void {
  for (const name of COPIED) cpSync(join(ROOT, name), join(folder, name), { recursive: true })
  const modules = join(folder, 'node_modules')
  if (!existsSync(modules)) symlinkSync(join(ROOT, 'node_modules'), modules)
}

/** @throws ScriptError when the guard is not where it was */
export function removeGuard(folder: string, { name, file, edits }: Guard): void {
  const path = join(folder, file)
  let source = readFileSync(path, 'utf8')
  for (const [guarded, unguarded] of edits) {
    if (source.split(guarded).length !== 2)
      throw new ScriptError(
        `${name}: ${file} does not hold exactly one ${JSON.stringify(guarded)}; mend test/mutations/guards.ts`,
      )
    source = source.replace(guarded, () => unguarded)
  }
  writeFileSync(path, source)
}

interface MochaReport {
  failures: { fullTitle: string; err: { message?: string } }[]
}

/** @param tests files and folders @returns the first test that failed, or undefined when all passed */
export async function runTests(folder: string, tests: readonly string[]): Promise<string | undefined> {
  const mocha = join(ROOT, 'node_modules', 'mocha', 'bin', 'mocha.js')
  const args = ['--no-config', '--require', 'test/support/setup.ts', '--timeout', '60000', '--bail', '--exit']
  const child = spawn(
    process.execPath,
    [mocha, ...args, '--reporter', 'json', '--recursive', '--extension', 'ts', ...tests],
    {
      cwd: folder,
      env: { ...process.env, MODEL_SEQUENCES },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.resume()
  const timeout = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS)
  const code = await new Promise<number | null>(done => child.once('close', done))
  clearTimeout(timeout)
  if (code === 0) return undefined
  const report = output.includes('{')
    ? (JSON.parse(output.slice(output.indexOf('{'))) as MochaReport)
    : undefined
  return report?.failures[0]?.fullTitle ?? `(the tests did not end: ${code ?? 'killed'})`
}
