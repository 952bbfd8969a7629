import pg from 'pg'
import { Database } from '../../src/db/database.ts'
import { quiet } from '../support/log.ts'
import { PostgresServer } from '../support/postgres-server.ts'

export const SETTINGS = { max_connections: '300', track_commit_timestamp: 'on' }

/**
 * A migrated server with default durability, and a direct connection to it that bypasses the proxy.
 */
export class DatabaseUnderTest {
  #server: PostgresServer
  #isStandby = false
  #client: Promise<pg.Client> | undefined

  private constructor(server: PostgresServer) {
    this.#server = server
  }

  get server(): PostgresServer {
    return this.#server
  }

  /** @param folder where the data is stored; it stays there for a post-mortem */
  static async start(folder: string): Promise<DatabaseUnderTest> {
    const server = await PostgresServer.start(SETTINGS, folder)
    try {
      await server.migrate()
      return new DatabaseUnderTest(server)
    } catch (error) {
      await server.destroy()
      throw error
    }
  }

  /** Runs one statement on a connection that is reused, and replaced after an error. */
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

  /** Goes on with a promoted standby, and deletes the server before it. */
  async replaceServer(standby: PostgresServer): Promise<void> {
    const before = this.#server
    this.#server = standby
    this.#client = undefined
    this.#isStandby = true
    await before.destroy()
  }

  /** Opens a connection of the caller's own. */
  async connect(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.server.url,
      application_name: 'comanda faults',
    })
    client.on('error', () => undefined)
    await client.connect()
    return client
  }

  /** Runs `work` with a pool of one connection, as the processes have it. */
  async withPool<T>(work: (database: Database) => Promise<T>): Promise<T> {
    const database = await Database.open({
      url: this.server.url,
      applicationName: 'comanda faults',
      poolCount: 1,
      timeoutMs: 10_000,
      log: quiet,
    })
    try {
      return await work(database)
    } finally {
      await database.close()
    }
  }

  async stop(): Promise<void> {
    await this.#client?.then(
      client => client.end(),
      () => undefined,
    )
    // The data of a standby is outside of the folder of the run.
    await (this.#isStandby ? this.server.destroy() : this.server.stop())
  }
}
