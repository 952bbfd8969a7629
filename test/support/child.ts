import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { collectDeniedStatements } from './denied-statements.ts'
import { untilSlowly } from './until.ts'

const ROOT = join(import.meta.dirname, '..', '..')

/** A running process of this project. */
export interface Child {
  pid: number
  /** stdout so far */
  output: () => string
  errors: () => string
  signal: (signal: NodeJS.Signals) => void
  /** resolves with the exit code, or with the signal that ended the process */
  ended: Promise<number | NodeJS.Signals | null>
  /** waits until stdout matches */
  untilOutput: (pattern: RegExp) => Promise<RegExpExecArray>
}

const running = new Set<ChildProcess>()

/**
 * Starts `node <args>` in the repository. The process gets only `env` and what Node needs.
 * @param wrapper a program that runs node, with its arguments
 */
export function startChild(
  args: string[],
  env: Record<string, string> = {},
  wrapper: readonly string[] = [],
): Child {
  const { PATH, HOME, NODE_V8_COVERAGE, NODE_COMPILE_CACHE } = process.env
  const [program = '', ...words] = [...wrapper, process.execPath, ...args]
  const child = spawn(program, words, {
    cwd: ROOT,
    env: {
      PATH,
      HOME,
      ...(NODE_V8_COVERAGE ? { NODE_V8_COVERAGE } : {}),
      ...(NODE_COMPILE_CACHE ? { NODE_COMPILE_CACHE } : {}),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
    collectDeniedStatements(chunk.toString())
  })
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const ended = new Promise<number | NodeJS.Signals | null>(done => {
    child.once('close', (code, signal) => {
      running.delete(child)
      done(code ?? signal)
    })
  })
  return {
    pid: child.pid ?? 0,
    output: () => output,
    errors: () => errors,
    signal: signal => child.kill(signal),
    ended,
    untilOutput: async pattern =>
      await untilSlowly(
        () => `it has printed ${pattern}; it printed ${output}${errors}`,
        () => {
          if (child.exitCode !== null && !pattern.test(output))
            throw new Error(`ended without ${pattern}: ${output}${errors}`)
          return pattern.exec(output)
        },
      ),
  }
}

/** Kills every child, so that no test leaves a process behind. For `after` hooks. */
export function killChildren(): void {
  for (const child of running) child.kill('SIGKILL')
}
