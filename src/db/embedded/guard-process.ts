import { spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { join } from 'node:path'

/** The server to stop when this process dies. */
export interface Guarded {
  data: string
  port: number
  password: string
  /** deleted when the server has stopped */
  urlFile: string
}

export interface Guard {
  /** Ends the guard without stopping the server. */
  dismiss(): void
}

/**
 * Starts a small process that stops the server when this process has ended in any way, even by
 * SIGKILL: it then reads the end of its standard input.
 */
export function startGuard(guarded: Guarded): Guard {
  // In its own process group, so that Ctrl-C on the terminal does not end it.
  const child = spawn(process.execPath, [join(import.meta.dirname, 'guard.js')], {
    cwd: '/',
    detached: true,
    env: {},
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  child.on('error', () => undefined)
  child.stdin.on('error', () => undefined)
  // Not as an argument, which every user of the machine could read.
  child.stdin.write(JSON.stringify(guarded))
  child.unref()
  // The pipe of a child process is a socket.
  ;(child.stdin as unknown as Socket).unref()
  return { dismiss: () => void child.kill('SIGKILL') }
}
