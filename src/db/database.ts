import { setTimeout as delay } from 'node:timers/promises'
import pg, { type Pool, type QueryResult } from 'pg'
import { DataSource, type EntitySchema } from 'typeorm'
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js'
import { Overloaded } from '../platform/errors.ts'
import type { Logger } from '../platform/log.ts'
import { Connection } from './connection.ts'
import { type Listener, listen } from './listener.ts'
import { isRetryable, translateSqlError } from './sql-errors.ts'
import { namedStatement, OpenTransaction, type Sql, type Tx } from './transaction.ts'

export interface DatabaseOptions {
  /** postgres:// URL */
  url: string
  /** shown in `pg_stat_activity` */
  applicationName: string
  poolCount: number
  /** longest one statement may take, in ms */
  timeoutMs: number
  entities?: EntitySchema[]
  log: Logger
}

/** Maximum wait for a connection of the pool, including the time to open one. */
const CONNECT_TIMEOUT_MS = 3_000
/** Maximum number of callers that wait for a connection. The next one fails with `Overloaded`. */
const MAX_WAITING_COUNT = 500
/**
 * The server ends a session after this idle time in a transaction: a frozen process must not hold
 * locks.
 */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 3_000
/** Far above the duration of any transaction of ours. */
const TRANSACTION_TIMEOUT_MS = 60_000
const IDLE_CONNECTION_TIMEOUT_MS = 60_000
const MAX_ATTEMPT_COUNT = 5
const RETRY_BASE_MS = 10

/**
 * Forces index scans and generic plans. Every statement on these connections, pg-boss's included,
 * is written for an index and has the same best plan for all values. Without these settings, a plan
 * that was cached while a table was empty (a fresh migration, then an analyze) keeps scanning or
 * sorting it.
 */
const INDEX_PLANS_ONLY = ['seqscan', 'bitmapscan', 'hashjoin', 'mergejoin', 'sort']
  .map(node => `-c enable_${node}=off`)
  .concat('-c jit=off', '-c plan_cache_mode=force_generic_plan')
  .join(' ')

/**
 * A connection pool, owned by TypeORM. Statements are prepared by name. Transactions retry
 * deadlocks and serialization failures. Technical errors of the database are thrown as
 * `DatabaseUnavailable`.
 */
export class Database implements Sql {
  readonly #source: DataSource
  readonly #pool: Pool
  readonly #options: DatabaseOptions
  readonly #inUse = new Set<Connection>()

  private constructor(source: DataSource, options: DatabaseOptions) {
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

  /** @throws DatabaseUnavailable when no connection can be made */
  static async open(options: DatabaseOptions): Promise<Database> {
    pg.defaults.parseInt8 = true
    const source = new DataSource({
      type: 'postgres',
      url: options.url,
      applicationName: options.applicationName,
      poolSize: options.poolCount,
      connectTimeoutMS: CONNECT_TIMEOUT_MS,
      entities: options.entities ?? [],
      poolErrorHandler: (error: Error) =>
        options.log.warn({ error: error.message }, 'idle database connection lost'),
      extra: { ...connectionSettings(options.timeoutMs), Client: Connection },
    })
    try {
      await source.initialize()
    } catch (error) {
      throw translateSqlError(error)
    }
    return new Database(source, options)
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
    return await retrying(() => this.#pool.query(namedStatement(text, values)))
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

  /** Listens on a dedicated connection that reconnects, see {@link listen}. */
  async listen(
    channel: string,
    onNotification: (payload: string) => void,
    onConnect: () => void,
  ): Promise<Listener> {
    const { url, applicationName, log } = this.#options
    return await listen({
      url,
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

function connectionSettings(timeoutMs: number) {
  return {
    statement_timeout: timeoutMs,
    // Later than the server's own timeout: for a server that no longer answers.
    query_timeout: timeoutMs + 1_000,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_CONNECTION_TIMEOUT_MS,
    keepAlive: true,
    pipeline: true,
    options: `${INDEX_PLANS_ONLY} -c transaction_timeout=${TRANSACTION_TIMEOUT_MS}`,
  }
}
