import { type ChildProcess, spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'

export interface Ended {
  status: number | null
  stdout: string
  stderr: string
}

export interface Running {
  child: ChildProcess
  ended: Promise<Ended>
}

/** A script that hangs is killed, after its test has failed. */
const KILL_AFTER_MS = 240_000
const scripts = join(import.meta.dirname, '../../scripts')

const holdAnswers = pathToFileURL(join(import.meta.dirname, '../support/openapi-response-hook-child.ts')).href

/**
 * Starts `scripts/<name>.ts` without a terminal, in a folder without `.env`. What the API answers
 * to it is held against the OpenAPI document, unless `HOLD_ANSWERS` is `false`: for servers that
 * only look like the API.
 */
export function spawnScript(
  name: string,
  args: readonly string[],
  env: Record<string, string> = {},
  input = '',
): Running {
  const preload = env['HOLD_ANSWERS'] === 'false' ? [] : ['--import', holdAnswers]
  const child = spawn(process.execPath, [...preload, join(scripts, `${name}.ts`), ...args], {
    cwd: tmpdir(),
    env: { ...process.env, DATABASE_URL: '', DATA_DIR: '', PORT: '', ...env },
    timeout: KILL_AFTER_MS,
    killSignal: 'SIGKILL',
  })
  child.stdin.end(input)
  const status = new Promise<number | null>((done, fail) => child.once('error', fail).once('close', done))
  const ended = Promise.all([status, text(child.stdout), text(child.stderr)]).then(
    ([status, stdout, stderr]) => ({ status, stdout, stderr }),
  )
  return { child, ended }
}
