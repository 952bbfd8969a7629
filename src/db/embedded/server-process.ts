import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { DATABASE, queryOnce } from './connection.ts'
import type { EmbeddedPaths } from './paths.ts'

/** Crash recovery of a large write-ahead log may take a while. */
const READY_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 15_000
/** For how long a closed connection may still be listed in `pg_stat_activity`. */
const DRAIN_TIMEOUT_MS = 1_000
const POLL_MS = 20
const START_ATTEMPT_COUNT = 3

/**
 * Starts the server on a free port, or adopts one that another process has started on the same data
 * meanwhile.
 */
export async function startServer(
  paths: EmbeddedPaths,
  password: string,
  logFile: string,
  settings: Record<string, string>,
) {
  let failure: unknown
  for (let attempt = 1; attempt <= START_ATTEMPT_COUNT; attempt++) {
    const port = await freePort()
    const server = spawnServer(paths, port, logFile, settings)
    try {
      await untilReady(port, password, paths, server)
      return { port, adopted: false }
    } catch (error) {
      failure = error
    }
    // Another process may have started a server on the same data first.
    const running = await runningServer(paths, password)
    if (running) return { port: running.port, adopted: true }
  }
  const log = existsSync(logFile) ? readFileSync(logFile, 'utf8').trim().split('\n').slice(-5).join('\n') : ''
  throw new Error(`the embedded PostgreSQL did not start; the last lines of ${logFile}:\n${log}`, {
    cause: failure,
  })
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
 * @throws when `server` has exited, or after 60 s
 */
async function untilReady(
  port: number,
  password: string,
  paths: EmbeddedPaths,
  server?: ChildProcess,
): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS
  for (;;) {
    try {
      const [row] = await queryOnce<{ data_directory: string }>(port, password, 'show data_directory')
      if (row?.data_directory === paths.data) return
      throw new Error(`another server answers on port ${port}`)
    } catch (error) {
      const gone =
        server && (server.exitCode !== null || server.signalCode !== null || server.pid === undefined)
      if (gone || Date.now() > deadline) throw error
    }
    await delay(POLL_MS)
  }
}

/** Returns the server that postmaster.pid names, if it runs and serves this data. */
export async function runningServer(
  paths: EmbeddedPaths,
  password: string,
): Promise<{ pid: number; port: number } | undefined> {
  const file = readPidFile(paths)
  if (!file || !isAlive(file.pid)) return undefined
  try {
    await untilReady(file.port, password, paths)
    return file
  } catch {
    return undefined
  }
}

function readPidFile(paths: EmbeddedPaths): { pid: number; port: number } | undefined {
  const path = join(paths.data, 'postmaster.pid')
  if (!existsSync(path)) return undefined
  const [pid, , , port] = readFileSync(path, 'utf8').split('\n')
  return pid && port ? { pid: Number(pid), port: Number(port) } : undefined
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * Stops the server unless other Comanda processes are connected.
 * @returns whether it has stopped
 */
export async function stopServer(paths: EmbeddedPaths, port: number, password: string): Promise<boolean> {
  const server = readPidFile(paths)
  if (!server || !isAlive(server.pid)) return true
  if (await usedByOthers(port, password)) return false
  process.kill(server.pid, 'SIGINT') // "fast": disconnect, checkpoint, exit
  const deadline = Date.now() + STOP_TIMEOUT_MS
  while (isAlive(server.pid) && existsSync(join(paths.data, 'postmaster.pid'))) {
    if (Date.now() > deadline)
      throw new Error(
        `the embedded PostgreSQL (pid ${server.pid}) did not stop within ${STOP_TIMEOUT_MS / 1_000} s`,
      )
    await delay(POLL_MS)
  }
  return true
}

async function usedByOthers(port: number, password: string): Promise<boolean> {
  const deadline = Date.now() + DRAIN_TIMEOUT_MS
  for (;;) {
    const others = await queryOnce(
      port,
      password,
      `select 1 from pg_stat_activity where datname = '${DATABASE}' and application_name like 'comanda-%' limit 1`,
    )
    if (others.length === 0) return false
    if (Date.now() > deadline) return true
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
