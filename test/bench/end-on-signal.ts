import type { ChildProcess } from 'node:child_process'

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const

const cleanups = new Set<() => Promise<void>>()
const children = new Set<ChildProcess>()

/**
 * Runs `cleanup` when SIGINT or SIGTERM ends this process. A second signal ends it without.
 * @returns a function that takes the cleanup back
 */
export function cleanUpOnSignal(cleanup: () => Promise<void>): () => void {
  handleSignals()
  cleanups.add(cleanup)
  return () => void cleanups.delete(cleanup)
}

/** Kills the child process when this process ends, unless the child has ended before. */
export function endWithThisProcess(child: ChildProcess): void {
  handleSignals()
  children.add(child)
  child.once('exit', () => children.delete(child))
}

let isHandled = false
let isEnding = false

function handleSignals(): void {
  if (isHandled) return
  isHandled = true
  process.on('exit', () => {
    for (const child of children) child.kill('SIGKILL')
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void end(signal))
}

async function end(signal: keyof typeof EXIT_CODES): Promise<void> {
  if (!isEnding) {
    isEnding = true
    await Promise.allSettled(Array.from(cleanups, cleanup => cleanup()))
  }
  process.exit(EXIT_CODES[signal])
}
