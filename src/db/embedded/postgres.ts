import { rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ConfigurationError } from '../../platform/config.ts'
import { createCluster, readOrCreatePassword, writePrivate } from './cluster.ts'
import { connectionString, createDatabase, DATABASE } from './connection.ts'
import { startGuard } from './guard-process.ts'
import { type Lease, takeLease } from './lease.ts'
import { type EmbeddedPaths, embeddedPaths } from './paths.ts'
import { isAlive, readPidFile } from './pid-file.ts'
import { runningServer, startServer } from './server-process.ts'
import { endReason, panicsOf, readLog, startFailure } from './start-failure.ts'
import { stopServer } from './stop-server.ts'

const STOP_TIMEOUT_MS = 15_000
/** Attempts to adopt a server, or to start one once it has stopped. */
const LEASE_ATTEMPT_COUNT = 20
const RETRY_MS = 200

/** The embedded PostgreSQL server. */
export interface EmbeddedPostgres {
  /** connection string of the database `comanda`, with its password */
  url: string
  /** data folder: below `dataDir`, or below /var/lib/comanda if only root can reach `dataDir` */
  dataFolder: string
  /**
   * whether the server was already running, left behind by a killed process or shared with another
   * one
   */
  adopted: boolean
  /** rejects with a ConfigurationError when the server ends without {@link stop} */
  failed: Promise<never>
  /**
   * Stops the server, unless another process that has started or adopted it still runs.
   * @param timeoutMs maximum duration of a clean shutdown
   * @returns whether it has stopped
   */
  stop(timeoutMs?: number): Promise<boolean>
}

/** Interval of the check that the server still runs. */
const WATCH_MS = 1_000

/**
 * Starts PostgreSQL 18 on a free port of 127.0.0.1, or adopts the healthy server that already runs
 * on the data of `dataDir`. Files in `dataDir` with mode 0600 hold the password and, while the
 * server runs, the connection string. The server stops when the last process that uses it ends,
 * even by SIGKILL.
 * @param settings override the settings that fit the machine, e.g. `{ fsync: 'off' }`
 * @throws ConfigurationError with one line for the user
 */
export async function startEmbedded(
  dataDir: string,
  settings: Record<string, string> = {},
): Promise<EmbeddedPostgres> {
  const home = resolve(dataDir)
  try {
    return await start(home, settings)
  } catch (error) {
    throw startFailure(error, home)
  }
}

async function start(home: string, settings: Record<string, string>): Promise<EmbeddedPostgres> {
  const paths = await embeddedPaths(home)
  const password = readOrCreatePassword(join(home, 'postgres.password'))
  await createCluster(paths, password)

  const logFile = join(home, 'postgres.log')
  const { port, adopted, lease } = await startOrAdopt(paths, password, logFile, settings)
  const url = connectionString(port, password, DATABASE)
  const urlFile = join(home, 'database.url')
  const guard = startGuard({ data: paths.data, port, password, urlFile })
  await createDatabase(port, password)
  writePrivate(urlFile, `${url}\n`)
  const { failed, endWatch } = watch(paths, logFile)
  return {
    url,
    dataFolder: paths.data,
    adopted,
    failed,
    stop: async (timeoutMs = STOP_TIMEOUT_MS) => {
      endWatch()
      await lease.release()
      const stopped = await stopServer(paths, port, password, timeoutMs)
      if (stopped) rmSync(urlFile, { force: true })
      guard.dismiss()
      return stopped
    },
  }
}

/** Checks every second whether the server that `postmaster.pid` names now still runs. */
function watch(paths: EmbeddedPaths, logFile: string): { failed: Promise<never>; endWatch: () => void } {
  const server = readPidFile(paths)
  const failure = Promise.withResolvers<never>()
  // Callers that start the server for a moment only need not handle the failure.
  failure.promise.catch(() => undefined)
  const timer = setInterval(() => {
    if (typeof server === 'object' && isAlive(server.pid)) return
    clearInterval(timer)
    failure.reject(
      new ConfigurationError(
        `DATA_DIR: the embedded PostgreSQL in ${paths.data} has ended: ${endReason(panicsOf(readLog(logFile)), paths.data)}; its log is ${logFile}; all committed data is on disk, and the next start recovers it`,
      ),
    )
  }, WATCH_MS)
  timer.unref()
  return { failed: failure.promise, endWatch: () => clearInterval(timer) }
}

/** Repeats when the server to adopt was being stopped by the last process that used it. */
async function startOrAdopt(
  paths: EmbeddedPaths,
  password: string,
  logFile: string,
  settings: Record<string, string>,
): Promise<{ port: number; adopted: boolean; lease: Lease }> {
  for (let attempt = 1; ; attempt++) {
    const running = await runningServer(paths, password)
    const { port, adopted } = running
      ? { port: running.port, adopted: true }
      : await startServer(paths, password, logFile, settings)
    try {
      return { port, adopted, lease: await takeLease(port, password) }
    } catch (error) {
      if (!adopted || attempt === LEASE_ATTEMPT_COUNT) throw error
      await delay(RETRY_MS)
    }
  }
}
