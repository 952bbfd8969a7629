import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { takeBaseBackup, writeAsServer } from '../../scripts/drill/base-backup.ts'
import { PostgresServer } from './postgres-server.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { untilTrue } from './until.ts'

/** Name of a standby in `pg_stat_replication` and `synchronous_standby_names`. */
const STANDBY = 'standby'
const STREAMING_TIMEOUT_MS = 30_000

/** What a standby needs of its primary. */
export type Primary = Pick<PostgresServer, 'url' | 'folder' | 'dataFolder' | 'query'>

/**
 * Starts a hot standby that streams from a running primary.
 * @param settings of the standby, e.g. the `max_connections` of the primary, which it must not be
 *   below
 * @param linkPort where the standby connects to; by default the port of the primary
 */
export async function startStandby(
  primary: Primary,
  settings: Record<string, string>,
  linkPort?: number,
): Promise<PostgresServer> {
  const folder = temporaryFolder('standby')
  const data = join(folder, 'postgres')
  await takeBaseBackup(primary.url, primary.dataFolder, data)
  const { username, password, port } = new URL(primary.url)
  const source = `host=127.0.0.1 port=${linkPort ?? port} user=${username} password=${password} application_name=${STANDBY}`
  await writeAsServer(data, 'standby.signal', '')
  // Not as an argument of the server, which could not be changed while it runs.
  await writeAsServer(data, 'postgresql.auto.conf', `primary_conninfo = '${source}'\n`)
  copyFileSync(join(primary.folder, 'postgres.password'), join(folder, 'postgres.password'))
  const standby = await PostgresServer.start(settings, folder)
  if (!(await untilTrue(STREAMING_TIMEOUT_MS, () => isStreaming(primary))))
    throw new Error('the standby does not stream from the primary')
  return standby
}

/** Returns whether a standby receives the WAL of this server. */
async function isStreaming(primary: Primary): Promise<boolean> {
  const rows = await primary.query(
    `select from pg_stat_replication where application_name = '${STANDBY}' and state = 'streaming'`,
  )
  return rows.length > 0
}

/** Makes every commit of the primary wait until its standby has it on disk. */
export async function makeSynchronous(primary: Primary): Promise<void> {
  await primary.query(`alter system set synchronous_standby_names = '${STANDBY}'`)
  await primary.query('select pg_reload_conf()')
  const isSynchronous = async () =>
    (await primary.query(`select from pg_stat_replication where sync_state = 'sync'`)).length > 0
  if (!(await untilTrue(STREAMING_TIMEOUT_MS, isSynchronous)))
    throw new Error('the standby is not synchronous')
}

/** Makes a standby stop receiving WAL: what the primary commits from now on, it never has. */
export async function cutReceiver(standby: PostgresServer): Promise<void> {
  await standby.query(`alter system set primary_conninfo = ''`)
  await standby.query('select pg_reload_conf()')
  const isCut = async () => (await standby.query('select from pg_stat_wal_receiver')).length === 0
  if (!(await untilTrue(STREAMING_TIMEOUT_MS, isCut))) throw new Error('the receiver is not cut')
}
