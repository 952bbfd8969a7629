import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

/**
 * Runs all tests in two mocha processes side by side, each with a PostgreSQL server of its own:
 * most tests wait for processes, timers or the disk. The output of the second is printed after that
 * of the first. Exits with 1 when one of them fails.
 */

const ROOT = join(import.meta.dirname, '..')
const MOCHA = join(ROOT, 'node_modules', 'mocha', 'bin', 'mocha.js')

/** Folders whose tests start programs and wait for them: about half of the whole time. */
const PROGRAM_FOLDERS = ['bench', 'browser', 'checks', 'docs', 'scripts']

const folders = readdirSync(import.meta.dirname, { withFileTypes: true })
  .filter(entry => entry.isDirectory())
  .map(({ name }) => name)
const otherFolders = folders.filter(name => !PROGRAM_FOLDERS.includes(name))

const first = runMochaWithout(PROGRAM_FOLDERS, 'inherit')
const second = runMochaWithout([...otherFolders, '*.test.ts'], 'pipe')
const output = second.stdout ? text(second.stdout) : ''
const firstCode = await exitCode(first)
process.stdout.write(await output)
process.exitCode = firstCode === 0 && (await exitCode(second)) === 0 ? 0 : 1

/** @param left folders and patterns below `test` whose tests the other process runs */
function runMochaWithout(left: readonly string[], stdout: 'inherit' | 'pipe'): ChildProcess {
  const ignored = left.flatMap(name => ['--ignore', `test/${name}${name.includes('*') ? '' : '/**'}`])
  const colour = process.stdout.isTTY ? ['--color'] : []
  // With --exit, a failed test that leaves a server open does not keep the process running.
  return spawn(process.execPath, [MOCHA, ...ignored, ...colour, '--exit'], {
    cwd: ROOT,
    stdio: ['ignore', stdout, 'inherit'],
  })
}

async function exitCode(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  return await new Promise(done => child.once('exit', code => done(code)))
}
