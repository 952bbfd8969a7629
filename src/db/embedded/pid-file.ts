import { readFileSync, realpathSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { EmbeddedPaths } from './paths.ts'

/** The server that a `postmaster.pid` names. */
export interface NamedServer {
  pid: number
  port: number
}

/** Returns the path of the file that a running server holds in its data folder. */
export function pidFileOf({ data }: Pick<EmbeddedPaths, 'data'>): string {
  return join(data, 'postmaster.pid')
}

/** Returns the content of the file: undefined without a file, `incomplete` while it is written. */
export function readPidFile(paths: Pick<EmbeddedPaths, 'data'>): NamedServer | 'incomplete' | undefined {
  try {
    const [pid, , , port] = readFileSync(pidFileOf(paths), 'utf8').split('\n')
    return pid && port ? { pid: Number(pid), port: Number(port) } : 'incomplete'
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Deletes the file of a server that no longer exists. Postgres itself refuses to start beside such
 * a file when it is empty, or when its process id belongs to another program now. Postgres still
 * detects processes that use the data, by their shared memory.
 */
export function deletePidFile(paths: EmbeddedPaths): void {
  rmSync(pidFileOf(paths), { force: true })
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * Returns whether a living process is the server of this data, by its command line.
 * @returns undefined where the system does not show command lines
 */
export function isServerOf(paths: EmbeddedPaths, pid: number): boolean | undefined {
  const [program = '', ...args] = commandLineOf(pid) ?? []
  if (program === '') return undefined
  if (basename(program) !== 'postgres') return false
  const folder = args[args.indexOf('-D') + 1]
  return folder === undefined || !args.includes('-D') ? undefined : isSame(folder, paths.data)
}

function commandLineOf(pid: number): string[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return undefined
  }
}

function isSame(folder: string, other: string): boolean {
  try {
    return realpathSync(folder) === realpathSync(other)
  } catch {
    return false
  }
}
