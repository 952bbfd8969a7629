import { spawn } from 'node:child_process'
import { join } from 'node:path'

const MOCHA = join(import.meta.dirname, '..', '..', 'node_modules', 'mocha', 'bin', 'mocha.js')
const ARGS = ['--no-config', '--require', 'test/support/setup.ts', '--timeout', '60000', '--bail', '--exit']
/** A run that takes longer counts as failed: a missing safeguard may let a test hang. */
const TIMEOUT_MS = 300_000

interface MochaReport {
  failures: { fullTitle: string }[]
}

/**
 * Runs test files in a copy of the project, until the first failure.
 * @returns the title of the test that failed; undefined when all passed
 */
export async function runTests(folder: string, files: readonly string[]): Promise<string | undefined> {
  const child = spawn(process.execPath, [MOCHA, ...ARGS, '--reporter', 'json', ...files], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
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
  return report?.failures[0]?.fullTitle ?? `(the test run ended with ${code ?? 'a timeout'})`
}
