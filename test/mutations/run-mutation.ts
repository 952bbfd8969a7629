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

/**
 * Returns the text of the guard's file without the guard.
 * @param source the file as it is
 * @throws ScriptError when a guarded text is not in it exactly once
 */
export function withoutGuard(source: string, { name, file, edits }: Guard): string {
  let edited = source
  for (const [guarded, unguarded] of edits) {
    const count = edited.split(guarded).length - 1
    if (count !== 1)
      throw new ScriptError(
        `${name}: ${file} must contain ${JSON.stringify(guarded)} once but contains it ${count} times; fix test/mutations`,
      )
    edited = edited.replace(guarded, () => unguarded)
  }
  return edited
}

/** Removes a guard from a copy of the project. @throws ScriptError when its text has changed */
export function removeGuard(folder: string, guard: Guard): void {
  const path = join(folder, guard.file)
  writeFileSync(path, withoutGuard(readFileSync(path, 'utf8'), guard))
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
