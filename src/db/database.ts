import { setTimeout as delay } from 'node:timers/promises'
import pg, { type Pool, type QueryResult } from 'pg'
import { DataSource, type EntitySchema } from 'typeorm'
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js'
import { Overloaded } from '../platform/errors.ts'
import type { Logger } from '../platform/log.ts'
import { Connection } from './connection.ts'
import { type Listener, listen } from './listener.ts'
import { measureClock } from './measure-clock.ts'
import { detectPooling, type Pooling } from './pooling.ts'
import { applySettings, missingSettings, type SessionSettings, sessionSettings } from './session-settings.ts'
import { isRetryable, translateSqlError } from './sql-errors.ts'
import { namedStatement, OpenTransaction, type Queries, type Sql, type Tx } from './transaction.ts'

export interface DatabaseOptions {
  /** postgres:// URL */
  url: string
  /** shown in `pg_stat_activity` */
  applicationName: string
  poolCount: number
  /** longest one statement may take, in ms */
  timeoutMs: number
  /** the address of Postgres itself for LISTEN; default `url` */
  listenUrl?: string | undefined
  /** how the pool differs from the others */
  kind?: PoolKind | undefined
  entities?: EntitySchema[]
  log: Logger
}

/** A pool for statements of a special kind. */
export interface PoolKind {
  /** settings of the sessions that differ from {@link sessionSettings} */
  settings: SessionSettings
  /** whether each statement is planned at each call, instead of once per connection */
  replans: boolean
}

/** Maximum wait for a connection of the pool, including the time to open one. */
const CONNECT_TIMEOUT_MS = 3_000
/** Maximum number of callers that wait for a connection. The next one fails with `Overloaded`. */
const MAX_WAITING_COUNT = 500
const IDLE_CONNECTION_TIMEOUT_MS = 60_000
const MAX_ATTEMPT_COUNT = 5
const RETRY_BASE_MS = 10

/**
 * A connection pool, owned by TypeORM. Statements are prepared by name. Transactions retry
 * deadlocks and serialization failures. Technical errors of the database are thrown as
 * `DatabaseUnavailable`.
 */
export class Database implements Sql {
  readonly #source: DataSource
  readonly #pool: Pool
  readonly #options: DatabaseOptions
  /** what is between this process and Postgres */
  readonly pooling: Pooling
  readonly #inUse = new Set<Connection>()

  private constructor(source: DataSource, options: DatabaseOptions, pooling: Pooling) {
    this.pooling = pooling
    this.#source = source
    this.#options = options
    this.#pool = (source.driver as PostgresDriver).master as Pool
    // Without a listener, the error of a checked-out client would end the process.
    this.#pool.on('connect', client =>
      client.on('error', error => options.log.warn({ error: error.message }, 'database connection lost')),
    )
    this.#pool.on('acquire', client => this.#inUse.add(client as unknown as Connection))
    this.#pool.on('release', (_error, client) => this.#inUse.delete(client as unknown as Connection))
  }

  /**
   * Connects, and measures the clock of the database before anything is written.
   * @throws DatabaseUnavailable when no connection can be made
   * @throws ConfigurationError behind an unsupported connection pooler, see {@link detectPooling}
   */
  static async open(options: DatabaseOptions): Promise<Database> {
    pg.defaults.parseInt8 = true
    const pooling = await detectPooling(options.url)
    const source = new DataSource({
      type: 'postgres',
      url: options.url,
      applicationName: options.applicationName,
      poolSize: options.poolCount,
      connectTimeoutMS: CONNECT_TIMEOUT_MS,
      entities: options.entities ?? [],
      poolErrorHandler: (error: Error) =>
        options.log.warn({ error: error.message }, 'idle database connection lost'),
      extra: connectionOptions(options, pooling),
    })
    try {
      await source.initialize()
    } catch (error) {
      throw translateSqlError(error)
    }
    const database = new Database(source, options, pooling)
    try {
      await measureClock(database)
      return database
    } catch (error) {
      await database.close()
      throw error
    }
  }

  async query<Row>(text: string, values?: readonly unknown[]): Promise<Row[]> {
    const { rows } = await this.executeSql(text, values)
    return rows as Row[]
  }

  async execute(text: string, values?: readonly unknown[]): Promise<number> {
    const { rowCount } = await this.executeSql(text, values)
    return rowCount ?? 0
  }

  /**
   * Runs one statement as a transaction of its own, with the retries of {@link transaction}.
   * pg-boss's `db` option requires this method.
   */
  async executeSql(text: string, values?: readonly unknown[]): Promise<QueryResult> {
    this.#refuseWhenFull()
    const statement = this.#options.kind?.replans
      ? { text, values: [...(values ?? [])] }
      : namedStatement(text, values)
    return await retrying(() => this.#pool.query(statement))
  }

  /**
   * Returns access to single statements that sends NOTIFY on `channel` behind each of them, on the
   * same connection. The server runs it at once when the statement has committed, and saves the
   * round trip of a separate NOTIFY. It is sent after a failed statement too, and may be lost:
   * listeners poll as well.
   */
  notifying(channel: string): Queries {
    const notify = namedStatement(`notify ${channel}`)
    const run = async (statement: pg.QueryConfig): Promise<QueryResult> => {
      const client = await this.#pool.connect()
      const sent = client.query(statement)
      const notified = client.query(notify)
      const both = Promise.allSettled([sent, notified])
      void both.then(([{ status }]) => client.release(status === 'rejected'))
      return await sent
    }
    return {
      query: async <Row>(text: string, values?: readonly unknown[]) => {
        this.#refuseWhenFull()
        const { rows } = await retrying(() => run(namedStatement(text, values)))
        return rows as Row[]
      },
    }
  }

  /**
   * Runs `work` in one transaction and commits it. Runs `work` again after a deadlock or a
   * serialization failure, up to {@link MAX_ATTEMPT_COUNT} attempts; therefore `work` has no
   * effects but SQL.
   * @throws DatabaseUnavailable when the database is unreachable, or after the last attempt. If the
   *   connection was lost during the commit, the outcome is unknown.
   */
  async transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return await retrying(async () => {
      const transaction = await this.beginTransaction()
      try {
        const result = await work(transaction.db)
        await transaction.db.flush()
        await transaction.commit()
        return result
      } catch (error) {
        await transaction.rollback(error)
        throw error
      }
    })
  }

  /**
   * Begins a transaction for pg-boss's transactional workers. All other code uses {@link
   * transaction}.
   */
  async beginTransaction(): Promise<OpenTransaction> {
    this.#refuseWhenFull()
    try {
      return await OpenTransaction.begin(this.#source.createQueryRunner())
    } catch (error) {
      throw translateSqlError(error)
    }
  }

  /** Returns the settings that the sessions of this pool need but do not have. */
  async missingSettings(): Promise<SessionSettings> {
    return await missingSettings(this, settingsOf(this.#options))
  }

  /**
   * Listens on a dedicated connection that reconnects, see {@link listen}. Does nothing where no
   * notification can arrive: callers poll as well.
   */
  async listen(
    channel: string,
    onNotification: (payload: string) => void,
    onConnect: () => void,
  ): Promise<Listener> {
    const { url, listenUrl, applicationName, log } = this.#options
    if (listenUrl === undefined && this.pooling === 'transaction') return { close: async () => undefined }
    return await listen({
      url: listenUrl ?? url,
      applicationName: `${applicationName}-listen`,
      log,
      channel,
      onNotification,
      onConnect,
    })
  }

  poolCounts() {
    const { totalCount, idleCount, waitingCount } = this.#pool
    return { max: this.#options.poolCount, total: totalCount, idle: idleCount, waiting: waitingCount }
  }

  /**
   * Closes the pool when its connections are idle. After `timeoutMs`, closes connections in use as
   * well, which rolls back their transactions.
   */
  async close(timeoutMs?: number): Promise<void> {
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => this.#disconnect(), timeoutMs)
    await this.#source.destroy()
    clearTimeout(timer)
  }

  #disconnect(): void {
    for (const client of this.#inUse) client.disconnect()
  }

  #refuseWhenFull(): void {
    if (this.#pool.waitingCount >= MAX_WAITING_COUNT)
      throw new Overloaded('The queue for database connections')
  }
}

/** Retries deadlocks and serialization failures with jittered backoff. */
async function retrying<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run()
    } catch (error) {
      if (!isRetryable(error) || attempt === MAX_ATTEMPT_COUNT) throw translateSqlError(error)
      await delay(RETRY_BASE_MS * 2 ** attempt * Math.random())
    }
  }
}

function settingsOf({ timeoutMs, kind }: DatabaseOptions): SessionSettings {
  return { ...sessionSettings(timeoutMs), ...kind?.settings }
}

function connectionOptions(options: DatabaseOptions, pooling: Pooling) {
  return {
    Client: Connection,
    // Later than the server's own timeout: for a server that no longer answers.
    query_timeout: options.timeoutMs + 1_000,
    idleTimeoutMillis: IDLE_CONNECTION_TIMEOUT_MS,
    keepAlive: true,
    pipeline: true,
    // In transaction mode, they would apply to the next client of the session.
    ...(pooling === 'transaction'
      ? {}
      : { onConnect: (client: pg.ClientBase) => applySettings(client, settingsOf(options)) }),
  }
}
