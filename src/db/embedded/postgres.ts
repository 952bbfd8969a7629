import { rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createCluster, readOrCreatePassword, writePrivate } from './cluster.ts'
import { connectionString, createDatabase, DATABASE } from './connection.ts'
import { embeddedPaths } from './paths.ts'
import { runningServer, startServer, stopServer } from './server-process.ts'

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
  /** Stops the server unless another Comanda process uses it. @returns whether it has stopped */
  stop(): Promise<boolean>
}

/**
 * Starts PostgreSQL 18 on a free port of 127.0.0.1, or adopts the healthy server that already runs
 * on the data of `dataDir`. Files in `dataDir` with mode 0600 hold the password and, while the
 * server runs, the connection string.
 * @param settings additional server settings, e.g. `{ fsync: 'off' }`
 */
export async function startEmbedded(
  dataDir: string,
  settings: Record<string, string> = {},
): Promise<EmbeddedPostgres> {
  const home = resolve(dataDir)
  const paths = await embeddedPaths(home)
  const password = readOrCreatePassword(join(home, 'postgres.password'))
  await createCluster(paths, password)

  const running = await runningServer(paths, password)
  const { port, adopted } = running
    ? { port: running.port, adopted: true }
    : await startServer(paths, password, join(home, 'postgres.log'), settings)

  const url = connectionString(port, password, DATABASE)
  await createDatabase(port, password)
  const urlFile = join(home, 'database.url')
  writePrivate(urlFile, `${url}\n`)
  return {
    url,
    dataFolder: paths.data,
    adopted,
    stop: async () => {
      const stopped = await stopServer(paths, port, password)
      if (stopped) rmSync(urlFile, { force: true })
      return stopped
    },
  }
}
