import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { type EmbeddedPostgres, startEmbedded } from '../../src/db/embedded/postgres.ts'

const SETTINGS = { max_connections: '300', track_commit_timestamp: 'on' }
const START_ATTEMPT_COUNT = 20
const RETRY_MS = 200

/** The server under test, with its default durability; it can be killed and come back. */
export class Postgres {
  readonly #folder: string
  #server: EmbeddedPostgres
  #client: Promise<pg.Client> | undefined

  private constructor(folder: string, server: EmbeddedPostgres) {
    this.#folder = folder
    this.#server = server
  }

  static async start(folder: string): Promise<Postgres> {
    return new Postgres(folder, await startEmbedded(folder, SETTINGS))
  }

  /** Past the proxy: for the suite itself. */
  get url(): string {
    return this.#server.url
  }

  get port(): number {
    return Number(new URL(this.url).port)
  }

  /** Ends the server, the postmaster first and without a word. */
  kill(): void {
    process.kill(this.#postmaster(), 'SIGKILL')
  }

  /** Ends the server in order: clients are disconnected. */
  async stop(): Promise<void> {
    const pid = this.#postmaster()
    process.kill(pid, 'SIGINT')
    while (existsSync(this.#pidFile())) await delay(RETRY_MS / 4)
  }

  /** Starts it again on the same data, which it recovers. Its port is another one. */
  async startAgain(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        this.#server = await startEmbedded(this.#folder, SETTINGS)
        return
      } catch (error) {
        // Backends of the killed server may still be on their way out.
        if (attempt === START_ATTEMPT_COUNT) throw error
        await delay(RETRY_MS)
      }
    }
  }

  async destroy(): Promise<void> {
    await this.#client?.then(
      client => client.end(),
      () => undefined,
    )
    await this.#server.stop()
  }

  /** One statement, on a connection that is kept for them; it is made anew when it broke. */
  async query<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    this.#client ??= this.connect()
    const client = this.#client
    try {
      return (await (await client).query<Row>(sql, values)).rows
    } catch (error) {
      if (this.#client === client) this.#client = undefined
      void client.then(
        broken => broken.end(),
        () => undefined,
      )
      throw error
    }
  }

  async connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.url, application_name: 'comanda faults' })
    client.on('error', () => undefined)
    await client.connect()
    return client
  }

  #pidFile(): string {
    return join(this.#server.dataFolder, 'postmaster.pid')
  }

  #postmaster(): number {
    return Number(readFileSync(this.#pidFile(), 'utf8').split('\n', 1)[0])
  }
}
