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
  await copyData(primary, join(folder, 'postgres'))
  copyFileSync(join(primary.folder, 'postgres.password'), join(folder, 'postgres.password'))
  const { username, password, port } = new URL(primary.url)
  const standby = await PostgresServer.start(
    {
      ...settings,
      primary_conninfo: `host=127.0.0.1 port=${port} user=${username} password=${password} application_name=${STANDBY}`,
    },
    folder,
  )
  if (!(await untilTrue(STREAMING_TIMEOUT_MS, () => isStreaming(primary))))
    throw new Error('the standby does not stream from the primary')
  return standby
}

async function copyData(primary: PostgresServer, target: string): Promise<void> {
  const client = new pg.Client({ connectionString: primary.url })
  await client.connect()
  try {
    await client.query(`select pg_backup_start('standby', true)`)
    // Files may vanish or grow while they are copied. The standby replays the WAL since the start.
    execFileSync('sh', ['-c', 'cp -a "$0" "$1" 2>/dev/null || true', primary.dataFolder, target])
    const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)')
    rmSync(join(target, 'postmaster.pid'), { force: true })
    // With cat, an existing file keeps its owner; a new one gets the owner of the data.
    for (const [name, content] of [
      ['backup_label', rows[0]?.labelfile ?? ''],
      ['standby.signal', ''],
    ] as const) {
      writeFileSync(join(target, name), content)
      execFileSync('chown', ['--reference', target, join(target, name)])
    }
  } finally {
    await client.end()
  }
}

/** Returns whether a standby receives the WAL of this server. */
async function isStreaming(primary: PostgresServer): Promise<boolean> {
  const client = new pg.Client({ connectionString: primary.url })
  await client.connect()
  try {
    const { rows } = await client.query(
      `select from pg_stat_replication where application_name = $1 and state = 'streaming'`,
      [STANDBY],
    )
    return rows.length > 0
  } finally {
    await client.end()
  }
}
