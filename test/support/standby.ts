import { execFileSync } from 'node:child_process'
import { copyFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { PostgresServer } from './postgres-server.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { untilTrue } from './until.ts'

/** Name of a standby in `pg_stat_replication` and `synchronous_standby_names`. */
const STANDBY = 'standby'
const STREAMING_TIMEOUT_MS = 30_000

/**
 * Starts a hot standby that streams from a running primary. The npm package has no pg_basebackup:
 * the data folder is copied between `pg_backup_start` and `pg_backup_stop`.
 * @param settings of the standby, e.g. the `max_connections` of the primary, which it must not be
 *   below
 */
export async function startStandby(
  primary: PostgresServer,
  settings: Record<string, string>,
): Promise<PostgresServer> {
  const folder = temporaryFolder('standby')
  const data = join(folder, 'postgres')
  const label = await copyData(primary, data)
  const { username, password, port } = new URL(primary.url)
  const source = `host=127.0.0.1 port=${port} user=${username} password=${password} application_name=${STANDBY}`
  for (const [name, content] of [
    ['backup_label', label],
    ['standby.signal', ''],
    // Not as an argument of the server, which could not be changed while it runs.
    ['postgresql.auto.conf', `primary_conninfo = '${source}'\n`],
  ] as const) {
    writeFileSync(join(data, name), content)
    execFileSync('chown', ['--reference', data, join(data, name)])
  }
  copyFileSync(join(primary.folder, 'postgres.password'), join(folder, 'postgres.password'))
  const standby = await PostgresServer.start(settings, folder)
  if (!(await untilTrue(STREAMING_TIMEOUT_MS, () => isStreaming(primary))))
    throw new Error('the standby does not stream from the primary')
  return standby
}

/** @returns the content of `backup_label` */
async function copyData(primary: PostgresServer, target: string): Promise<string> {
  const client = new pg.Client({ connectionString: primary.url })
  await client.connect()
  try {
    await client.query(`select pg_backup_start('standby', true)`)
    // Files may vanish or grow while they are copied. The standby replays the WAL since the start.
    execFileSync('sh', ['-c', 'cp -a "$0" "$1" 2>/dev/null || true', primary.dataFolder, target])
    const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)')
    rmSync(join(target, 'postmaster.pid'), { force: true })
    return rows[0]?.labelfile ?? ''
  } finally {
    await client.end()
  }
}

/** Returns whether a standby receives the WAL of this server. */
async function isStreaming(primary: PostgresServer): Promise<boolean> {
  const rows = await primary.query(
    `select from pg_stat_replication where application_name = '${STANDBY}' and state = 'streaming'`,
  )
  return rows.length > 0
}

/** Makes every commit of the primary wait until its standby has it on disk. */
export async function makeSynchronous(primary: PostgresServer): Promise<void> {
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
