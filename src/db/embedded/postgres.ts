import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { ConfigurationError } from '../../platform/config.ts'
import { type EmbeddedPaths, embeddedPaths, runAsSite } from './paths.ts'

/** A PostgreSQL server of this program's own, its data below a folder of the user's. */
export interface EmbeddedPostgres {
  /** connection string of the database `comanda`, with its password */
  url: string
  /** folder that holds the data: below `dataDir`, or in the system's state folder where root's home hides it */
  dataFolder: string
  /** a server that was running already, left behind by a run that was killed or shared with another one */
  adopted: boolean
  /** Stops the server unless another Comanda still uses it. Returns whether it stopped. */
  stop(): Promise<boolean>
}

const DATABASE = 'comanda'
const USER = 'comanda'
const MAJOR_VERSION = '18'
/** Crash recovery of a large write-ahead log may take a while. */
const READY_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 15_000
/** How long connections that were closed a moment ago may still be listed. */
const DRAIN_TIMEOUT_MS = 1_000
const POLL_MS = 20
const START_ATTEMPT_COUNT = 3

/**
 * Starts PostgreSQL 18 on a free port of 127.0.0.1, or takes over the healthy server that already runs on this
 * data. The password and, while it runs, the connection string stand in `dataDir` (mode 0600).
 * @param settings server settings besides the defaults, e.g. `{ fsync: 'off' }`
 */
export async function startEmbedded(
  dataDir: string,
  settings: Record<string, string> = {},
): Promise<EmbeddedPostgres> {
  const home = resolve(dataDir)
  const site = await embeddedPaths(home)
  const password = readOrMakePassword(join(home, 'postgres.password'))
  await createCluster(site, password)

  const running = await runningServer(site, password)
  const { port, adopted } = running
    ? { port: running.port, adopted: true }
    : await startServer(site, password, join(home, 'postgres.log'), settings)

  const url = connectionString(port, password, DATABASE)
  await createDatabase(port, password)
  const urlFile = join(home, 'database.url')
  writePrivate(urlFile, `${url}\n`)
  return {
    url,
    dataFolder: site.data,
    adopted,
    stop: async () => {
      const stopped = await stopServer(site, port, password)
      if (stopped) rmSync(urlFile, { force: true })
      return stopped
    },
  }
}

function connectionString(port: number, password: string, database: string): string {
  return `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`
}

function writePrivate(file: string, text: string): void {
  writeFileSync(file, text, { mode: 0o600 })
  chmodSync(file, 0o600)
}

function readOrMakePassword(file: string): string {
  if (!existsSync(file)) writePrivate(file, randomBytes(24).toString('hex'))
  return readFileSync(file, 'utf8').trim()
}

/** Runs initdb beside the final place and moves the result there, so that a half-made cluster is never used. */
async function createCluster(site: EmbeddedPaths, password: string): Promise<void> {
  const versionFile = join(site.data, 'PG_VERSION')
  if (existsSync(versionFile)) {
    const version = readFileSync(versionFile, 'utf8').trim()
    if (version === MAJOR_VERSION) return
    throw new ConfigurationError(
      `DATA_DIR: ${site.data} holds data of PostgreSQL ${version}, this is ${MAJOR_VERSION}: move it away, or choose another folder`,
    )
  }
  const unfinished = `${site.data}.unfinished-${process.pid}`
  const passwordFile = `${unfinished}.password`
  try {
    mkdirSync(unfinished, { recursive: true, mode: 0o700 })
    writePrivate(passwordFile, password)
    for (const path of [unfinished, passwordFile]) site.give(path)
    await runAsSite(site, site.initdb, [
      `--pgdata=${unfinished}`,
      `--username=${USER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--no-instructions',
    ])
    if (!existsSync(versionFile)) renameSync(unfinished, site.data)
  } finally {
    for (const path of [unfinished, passwordFile]) rmSync(path, { recursive: true, force: true })
  }
}

async function startServer(
  site: EmbeddedPaths,
  password: string,
  logFile: string,
  settings: Record<string, string>,
) {
  let failure: unknown
  for (let attempt = 1; attempt <= START_ATTEMPT_COUNT; attempt++) {
    const port = await freePort()
    const server = spawnServer(site, port, logFile, settings)
    try {
      await untilReady(port, password, site, server)
      return { port, adopted: false }
    } catch (error) {
      failure = error
    }
    // Another run may have started the same data first; its server is as good as ours.
    const running = await runningServer(site, password)
    if (running) return { port: running.port, adopted: true }
  }
  const log = existsSync(logFile) ? readFileSync(logFile, 'utf8').trim().split('\n').slice(-5).join('\n') : ''
  throw new Error(`the embedded PostgreSQL did not start; the end of ${logFile}:\n${log}`, { cause: failure })
}

function spawnServer(
  site: EmbeddedPaths,
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
  // A process group of its own: Ctrl-C on the terminal must reach this program first, and the server last.
  const server = spawn(site.postgres, ['-D', site.data, '-p', String(port), ...args], {
    cwd: site.data,
    detached: true,
    stdio: ['ignore', log, log],
    env: { LC_ALL: 'C', TZ: 'UTC' },
    ...site.account,
  })
  closeSync(log)
  server.on('error', () => undefined)
  server.unref()
  return server
}

/** Connects until the server answers. */
async function untilReady(
  port: number,
  password: string,
  site: EmbeddedPaths,
  server?: ChildProcess,
): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS
  for (;;) {
    try {
      const [row] = await queryOnce<{ data_directory: string }>(
        port,
        password,
        'postgres',
        'show data_directory',
      )
      if (row?.data_directory === site.data) return
      throw new Error(`another server answers on port ${port}`)
    } catch (error) {
      const gone =
        server && (server.exitCode !== null || server.signalCode !== null || server.pid === undefined)
      if (gone || Date.now() > deadline) throw error
    }
    await delay(POLL_MS)
  }
}

/** The server that postmaster.pid names, when it lives and answers for this data. */
async function runningServer(
  site: EmbeddedPaths,
  password: string,
): Promise<{ pid: number; port: number } | undefined> {
  const file = readPidFile(site)
  if (!file || !isAlive(file.pid)) return undefined
  try {
    await untilReady(file.port, password, site)
    return file
  } catch {
    return undefined
  }
}

function readPidFile(site: EmbeddedPaths): { pid: number; port: number } | undefined {
  const path = join(site.data, 'postmaster.pid')
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

async function createDatabase(port: number, password: string): Promise<void> {
  const found = await queryOnce(
    port,
    password,
    'postgres',
    `select 1 from pg_database where datname = '${DATABASE}'`,
  )
  if (found.length > 0) return
  try {
    await queryOnce(port, password, 'postgres', `create database ${DATABASE}`)
  } catch (error) {
    if ((error as { code?: string }).code !== '42P04') throw error // duplicate_database: another run was first
  }
}

async function stopServer(site: EmbeddedPaths, port: number, password: string): Promise<boolean> {
  const server = readPidFile(site)
  if (!server || !isAlive(server.pid)) return true
  if (await usedByOthers(port, password)) return false
  process.kill(server.pid, 'SIGINT') // "fast": disconnect, checkpoint, exit
  const deadline = Date.now() + STOP_TIMEOUT_MS
  while (isAlive(server.pid) && existsSync(join(site.data, 'postmaster.pid'))) {
    if (Date.now() > deadline) throw new Error(`the embedded PostgreSQL (pid ${server.pid}) does not stop`)
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
      'postgres',
      `select 1 from pg_stat_activity where datname = '${DATABASE}' and application_name like 'comanda-%' limit 1`,
    )
    if (others.length === 0) return false
    if (Date.now() > deadline) return true
    await delay(POLL_MS)
  }
}

async function queryOnce<Row>(port: number, password: string, database: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({
    connectionString: connectionString(port, password, database),
    connectionTimeoutMillis: 2_000,
    query_timeout: 30_000,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return (await client.query(sql)).rows as Row[]
  } finally {
    await client.end().catch(() => undefined)
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
