import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { pino } from 'pino'
import { type EmbeddedPostgres, startEmbedded } from '../../src/db/embedded/postgres.ts'
import { migrate } from '../../src/processes/migrate.ts'
import { temporaryFolder } from './temporary-folder.ts'

const START_ATTEMPT_COUNT = 20
const RETRY_MS = 200
const POLL_MS = 50

/** An embedded PostgreSQL server in a temporary folder, which a test can kill and start again. */
export class PostgresServer {
  /** holds the data folder and the password */
  readonly folder: string
  readonly #settings: Record<string, string>
  #server: EmbeddedPostgres

  private constructor(folder: string, settings: Record<string, string>, server: EmbeddedPostgres) {
    this.folder = folder
    this.#settings = settings
    this.#server = server
  }

  /**
   * @param settings server settings besides the defaults, e.g. `{ fsync: 'off' }`
   * @param folder where the data is stored
   */
  static async start(
    settings: Record<string, string>,
    folder = temporaryFolder('postgres'),
  ): Promise<PostgresServer> {
    return new PostgresServer(folder, settings, await startEmbedded(folder, settings))
  }

  get url(): string {
    return this.#server.url
  }

  get port(): number {
    return Number(new URL(this.url).port)
  }

  get dataFolder(): string {
    return this.#server.dataFolder
  }

  /** Applies all migrations to the database of `url`. */
  async migrate(): Promise<void> {
    await migrate(this.url, pino({ level: 'warn' }))
  }

  /** Sends SIGKILL to the postmaster: the data folder stays as after a crash. */
  kill(): void {
    process.kill(this.#postmasterPid(), 'SIGKILL')
  }

  /** Shuts down in fast mode, which disconnects all clients, and keeps the data. */
  async shutDown(): Promise<void> {
    process.kill(this.#postmasterPid(), 'SIGINT')
    while (existsSync(this.#pidFile())) await delay(POLL_MS)
  }

  /** Runs one statement on a connection of its own. */
  async query<Row extends pg.QueryResultRow>(sql: string): Promise<Row[]> {
    const client = new pg.Client({ connectionString: this.url })
    await client.connect()
    try {
      return (await client.query<Row>(sql)).rows
    } finally {
      await client.end()
    }
  }

  /** Makes a standby the primary. */
  async promote(): Promise<void> {
    await this.query('select pg_promote()')
  }

  /** Returns the account of the server, which owns its files. */
  account(): { uid: number; gid: number } {
    const { uid, gid } = statSync(this.dataFolder)
    return { uid, gid }
  }

  /** Replaces the process id in the `postmaster.pid` that a killed server has left behind. */
  leavePid(pid: number): void {
    const content = readFileSync(this.#pidFile(), 'utf8')
    writeFileSync(this.#pidFile(), content.replace(/^\d+/, String(pid)))
  }

  /** Deletes the `postmaster.pid` that a killed server has left behind. */
  deletePidFile(): void {
    rmSync(this.#pidFile(), { force: true })
  }

  /** Starts the server again on the same data, after crash recovery if needed. The port changes. */
  async startAgain(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        this.#server = await startEmbedded(this.folder, this.#settings)
        return
      } catch (error) {
        // Backends of a killed postmaster may take a moment to exit.
        if (attempt === START_ATTEMPT_COUNT) throw error
        await delay(RETRY_MS)
      }
    }
  }

  /** Stops the server and keeps its data. */
  async stop(): Promise<void> {
    await this.#server.stop()
  }

  /**
   * Stops the server and deletes its data.
   * @throws Error if a server process has crashed. Postgres then restarts by itself, so that a test
   * may pass in spite of the crash
   */
  async destroy(): Promise<void> {
    await this.stop()
    const [crash] = crashes(readFileSync(join(this.folder, 'postgres.log'), 'utf8'))
    rmSync(this.folder, { recursive: true, force: true })
    if (crash !== undefined) throw new Error(`a process of PostgreSQL crashed: ${crash}`)
  }

  #pidFile(): string {
    return join(this.dataFolder, 'postmaster.pid')
  }

  #postmasterPid(): number {
    return Number(readFileSync(this.#pidFile(), 'utf8').split('\n', 1)[0])
  }
}

const MAX_STATEMENT_LENGTH = 1_000

/** Finds server processes that ended by a fault of their own, with the statement they executed. */
function crashes(log: string): string[] {
  const faults = /was terminated by signal \d+: (?:Segmentation fault|Bus error|Illegal instruction)/g
  return Array.from(log.matchAll(faults), ({ index }) => log.slice(index, index + MAX_STATEMENT_LENGTH))
}
