import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { ConfigurationError } from '../../platform/config.ts'
import { errorCode } from '../sql-errors.ts'
import { queryOnce } from './connection.ts'
import type { EmbeddedPaths } from './paths.ts'
import { deletePidFile, isAlive, isServerOf, type NamedServer, pidFileOf, readPidFile } from './pid-file.ts'
import { readMachine, settingsFor } from './server-settings.ts'
import { endReason, readLog } from './start-failure.ts'

/** Crash recovery of a large write-ahead log may take a while. */
const READY_TIMEOUT_MS = 60_000
/** A server that starts answers within this time, if only that it is not ready. */
const SILENT_TIMEOUT_MS = 5_000
/** A server that starts writes its `postmaster.pid` in one go. */
const INCOMPLETE_TIMEOUT_MS = 1_000
const POLL_MS = 20
const START_ATTEMPT_COUNT = 3
/** SQLSTATE cannot_connect_now: the server is starting. */
const STARTING = '57P03'

/**
 * Starts the server on a free port, or adopts one that another process has started on the same data
 * meanwhile.
 * @throws ConfigurationError naming the reason and the log
 */
export async function startServer(
  paths: EmbeddedPaths,
  password: string,
  logFile: string,
  settings: Record<string, string>,
) {
  for (let attempt = 1; attempt <= START_ATTEMPT_COUNT; attempt++) {
    const port = await freePort()
    const server = spawnServer(paths, port, logFile, settings)
    try {
      await untilReady(port, password, paths, READY_TIMEOUT_MS, () => hasEnded(server))
      return { port, adopted: false }
    } catch (error) {
      if (!hasEnded(server)) throw notReady(paths, logFile, error as Error)
    }
    // Another process may have started a server on the same data first.
    const running = await runningServer(paths, password)
    if (running) return { port: running.port, adopted: true }
  }
  throw new ConfigurationError(
    `DATA_DIR: the embedded PostgreSQL in ${paths.data} does not start: ${endReason(readLog(logFile), paths.data)}; its log is ${logFile}`,
  )
}

/** The server runs on: after a crash with much to recover, a later start finds it ready. */
function notReady({ data }: EmbeddedPaths, logFile: string, { message }: Error): ConfigurationError {
  return new ConfigurationError(
    `DATA_DIR: the embedded PostgreSQL in ${data} runs, but cannot be used yet: ${message}; its log is ${logFile}`,
  )
}

function spawnServer(
  paths: EmbeddedPaths,
  port: number,
  logFile: string,
  settings: Record<string, string>,
): ChildProcess {
  const log = openSync(logFile, 'w', 0o600)
  const options = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '200',
    ...settingsFor(readMachine(paths.data)),
    ...settings,
  }
  const args = Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  // In its own process group, so that Ctrl-C on the terminal does not stop the server before this
  // process.
  const server = spawn(paths.postgres, ['-D', paths.data, '-p', String(port), ...args], {
    cwd: paths.data,
    detached: true,
    stdio: ['ignore', log, log],
    env: { LC_ALL: 'C', TZ: 'UTC' },
    ...paths.account,
  })
  closeSync(log)
  server.on('error', () => undefined)
  server.unref()
  return server
}

/**
 * Polls until the server answers and serves this data.
 * @param silentMs gives up when no server has reported for so long that it is starting
 * @throws when the server has ended, or after 60 s
 */
async function untilReady(
  port: number,
  password: string,
  paths: EmbeddedPaths,
  silentMs: number,
  hasEnded: () => boolean,
): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS
  let silentUntil = performance.now() + silentMs
  for (;;) {
    try {
      const [row] = await queryOnce<{ data_directory: string }>(port, password, 'show data_directory')
      if (row?.data_directory === paths.data) return
      throw new Error(`the server on port ${port} serves other data`)
    } catch (error) {
      if (errorCode(error) === STARTING) silentUntil = performance.now() + silentMs
      if (hasEnded() || performance.now() > Math.min(deadline, silentUntil)) throw error
    }
    await delay(POLL_MS)
  }
}

function hasEnded({ exitCode, signalCode, pid }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null || pid === undefined
}

/**
 * Returns the server of this data that runs already. Deletes a `postmaster.pid` that a crash has
 * left behind and that would keep a new server from starting.
 * @throws ConfigurationError naming what to stop or to delete when a process has the id of the
 *   server but does not answer as the server of this data
 */
export async function runningServer(
  paths: EmbeddedPaths,
  password: string,
): Promise<NamedServer | undefined> {
  const named = await readCompletePidFile(paths)
  // Postgres itself replaces the file of a process that no longer runs.
  if (named === undefined || (named !== 'incomplete' && !isAlive(named.pid))) return undefined
  if (named === 'incomplete' || isServerOf(paths, named.pid) === false) {
    deletePidFile(paths)
    return undefined
  }
  try {
    await untilReady(named.port, password, paths, SILENT_TIMEOUT_MS, () => !isAlive(named.pid))
    return named
  } catch (error) {
    const { pid, port } = named
    // It may have been stopping.
    if (!isAlive(pid)) return undefined
    throw new ConfigurationError(
      `DATA_DIR: ${pidFileOf(paths)} names process ${pid}, which does not answer as the embedded PostgreSQL on port ${port}: ${(error as Error).message || errorCode(error)}; if it is PostgreSQL, stop it; if it is another program, delete the file`,
    )
  }
}

/** Waits for the rest of a file that another process is writing. */
async function readCompletePidFile(paths: EmbeddedPaths): Promise<ReturnType<typeof readPidFile>> {
  const deadline = performance.now() + INCOMPLETE_TIMEOUT_MS
  for (;;) {
    const named = readPidFile(paths)
    if (named !== 'incomplete' || performance.now() > deadline) return named
    await delay(POLL_MS)
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((done, fail) => server.once('error', fail).listen(0, '127.0.0.1', done))
  const address = server.address()
  await new Promise(done => server.close(done))
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}
