import { readFileSync, statfsSync } from 'node:fs'
import { ConfigurationError } from '../../platform/config.ts'
import { DatabaseUnavailable } from '../../platform/errors.ts'
import { isUnavailable } from '../sql-errors.ts'

/** PostgreSQL needs at least one segment of its write-ahead log. */
const MIN_FREE_BYTES = 16 * 1024 * 1024

/** Returns why the server or initdb has ended, from what it printed. */
export function endReason(output: string, folder: string): string {
  if (/No space left on device/.test(output)) return 'the disk is full'
  const fatal = output.match(/(?:FATAL|PANIC|error): +(.+)/)?.[1]
  // A program on a full disk may have been unable to print anything.
  return fatal ?? (freeBytes(folder) < MIN_FREE_BYTES ? 'the disk is full' : 'it printed no reason')
}

/** Returns the lines with which a server that runs already ends; FATAL only ends a connection. */
export function panicsOf(log: string): string {
  return log.match(/^.*PANIC: .*$/gm)?.join('\n') ?? ''
}

/** Returns what the server has printed. */
export function readLog(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}

/** Returns an error with one line for failures of the file system and of the server. */
export function startFailure(error: unknown, home: string): unknown {
  if (error instanceof ConfigurationError) return error
  if (isUnavailable(error)) return new DatabaseUnavailable(error)
  const { syscall, code, message } = error as NodeJS.ErrnoException
  if (syscall === undefined) return error
  return new ConfigurationError(`DATA_DIR: ${home}: ${code === 'ENOSPC' ? 'the disk is full' : message}`)
}
