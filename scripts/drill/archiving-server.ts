import { execFile } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { type EmbeddedPostgres, startEmbedded } from '../../src/db/embedded/postgres.ts'
import { ScriptError } from '../support/script-error.ts'
import { copyFolder, takeBaseBackup, writeAsServer } from './base-backup.ts'

const run = promisify(execFile)

const ARCHIVE_SCRIPT = join(import.meta.dirname, '..', '..', 'deploy', 'archive-wal.sh')
/** How long a commit may wait until its WAL segment is archived. In production, e.g. 60 s. */
export const ARCHIVE_TIMEOUT_SECONDS = 1
const POLL_MS = 20

/** Where a recovery ends: settings of PostgreSQL, e.g. `recovery_target_time`. */
export type RecoveryTarget = Record<string, string>

/** Folders of a drill, below the folder for temporary files. */
export class DrillFolders {
  readonly root = mkdtempSync(join(tmpdir(), 'comanda-drill-'))
  readonly backup = join(this.root, 'backup')
  readonly archive = join(this.root, 'archive')
  readonly archiveScript = join(this.root, 'archive-wal.sh')

  constructor() {
    // The embedded server of root runs as another account.
    chmodSync(this.root, 0o755)
    for (const folder of [this.backup, this.archive]) mkdirSync(folder)
    copyFileSync(ARCHIVE_SCRIPT, this.archiveScript)
    chmodSync(this.archiveScript, 0o755)
  }

  delete(): void {
    rmSync(this.root, { recursive: true, force: true })
  }
}

/** An embedded PostgreSQL server that archives its WAL. */
export class ArchivingServer {
  readonly #embedded: EmbeddedPostgres
  readonly #folders: DrillFolders

  private constructor(embedded: EmbeddedPostgres, folders: DrillFolders) {
    this.#embedded = embedded
    this.#folders = folders
  }

  /** Starts a server on a new data folder. */
  static async start(folders: DrillFolders): Promise<ArchivingServer> {
    const home = join(folders.root, 'primary')
    const embedded = await startEmbedded(home, settingsOf(folders))
    await run('chown', ['--reference', embedded.dataFolder, folders.archive])
    return new ArchivingServer(embedded, folders)
  }

  /**
   * Restores the base backup, replays the archived WAL up to `target`, and promotes the server.
   * @param target without a time, name or LSN: the end of the archive
   * @throws ScriptError when the archive does not reach the target
   */
  static async restore(
    folders: DrillFolders,
    name: string,
    target: RecoveryTarget,
  ): Promise<ArchivingServer> {
    const home = join(folders.root, name)
    const data = join(home, 'postgres')
    mkdirSync(home)
    await copyFolder(join(folders.backup, 'postgres'), data)
    // The WAL comes from the archive alone.
    await run('sh', ['-c', 'rm -rf "$0"/pg_wal/*', data])
    copyFileSync(join(folders.backup, 'postgres.password'), join(home, 'postgres.password'))
    await writeAsServer(data, 'recovery.signal', '')
    try {
      const embedded = await startEmbedded(home, {
        ...settingsOf(folders),
        restore_command: `cp "${folders.archive}/%f" "%p"`,
        recovery_target_action: 'promote',
        ...target,
      })
      const server = new ArchivingServer(embedded, folders)
      await Promise.race([server.#untilPromoted(), embedded.failed])
      return server
    } catch (error) {
      const log = readFileSync(join(home, 'postgres.log'), 'utf8')
      throw new ScriptError(`the restore failed: ${/FATAL: +(.*)/.exec(log)?.[1] ?? String(error)}`)
    }
  }

  get url(): string {
    return this.#embedded.url
  }

  /** Runs one statement on a connection of its own. */
  async query<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return await this.withClient(async client => (await client.query<Row>(sql, values)).rows)
  }

  async withClient<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = new pg.Client({ connectionString: this.url })
    await client.connect()
    try {
      return await work(client)
    } finally {
      await client.end()
    }
  }

  /** Copies the data folder while the server runs. */
  async backUp(): Promise<void> {
    const { backup, root } = this.#folders
    await takeBaseBackup(this.url, this.#embedded.dataFolder, join(backup, 'postgres'))
    copyFileSync(join(root, 'primary', 'postgres.password'), join(backup, 'postgres.password'))
  }

  /** Archives the WAL until now, and waits for it. */
  async archiveNow(): Promise<void> {
    const [last] = await this.query<{ segment: string }>('select pg_walfile_name(pg_switch_wal()) as segment')
    for (;;) {
      const archived = await this.query(
        'select from pg_stat_archiver where last_archived_wal >= $1 and last_archived_wal ~ $2',
        [last?.segment, '^[0-9A-F]{24}$'],
      )
      if (archived.length > 0) return
      await delay(POLL_MS)
    }
  }

  /** Sends SIGKILL to the server, as when its machine is lost. */
  kill(): void {
    const pid = readFileSync(join(this.#embedded.dataFolder, 'postmaster.pid'), 'utf8').split('\n', 1)[0]
    process.kill(Number(pid), 'SIGKILL')
  }

  async stop(): Promise<void> {
    await this.#embedded.stop()
  }

  async #untilPromoted(): Promise<void> {
    for (;;) {
      const [row] = await this.query<{ is_standby: boolean }>('select pg_is_in_recovery() as is_standby')
      if (row?.is_standby === false) return
      await delay(POLL_MS)
    }
  }
}

function settingsOf({ archive, archiveScript }: DrillFolders): Record<string, string> {
  return {
    archive_mode: 'on',
    archive_command: `"${archiveScript}" "%p" "%f" "${archive}"`,
    archive_timeout: `${ARCHIVE_TIMEOUT_SECONDS}s`,
    track_commit_timestamp: 'on',
  }
}
