import { setTimeout as delay } from 'node:timers/promises'
import pg, { type Pool, type QueryResult } from 'pg'
import { DataSource, type EntitySchema } from 'typeorm'
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js'
import { Overloaded } from '../platform/errors.ts'
import type { Logger } from '../platform/log.ts'
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

/** Longest a caller waits for a connection of the pool, or for a new one to open. */
const CONNECT_TIMEOUT_MS = 3_000
/** Callers that may wait for a connection at once; the next is told to come back. */
const MAX_WAITING_COUNT = 500
/** The server ends a session that sits in a transaction this long: a frozen process must not hold locks. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 3_000
/** No transaction of ours is ever this long. */
const TRANSACTION_TIMEOUT_MS = 60_000
const IDLE_CONNECTION_TIMEOUT_MS = 60_000
const MAX_ATTEMPT_COUNT = 5
const RETRY_BASE_MS = 10

/**
 * Plans made while a table is empty would otherwise scan or sort it for ever after (a fresh migration, then an
 * analyze, then a cached plan). Every statement on these connections is meant to walk an index, pg-boss's too; and as
 * none has a better plan for some values than for others, each is planned once, not at every call.
 */
const KEPT_INDEX_PLANS = ['seqscan', 'bitmapscan', 'hashjoin', 'mergejoin', 'sort']
  .map(node => `-c enable_${node}=off`)
  .concat('-c jit=off', '-c plan_cache_mode=force_generic_plan')
  .join(' ')

/**
 * One pool of connections, owned by TypeORM, and what runs on it. Statements are prepared by name; transactions
 * retry deadlocks and serialization failures; trouble with the database becomes `DatabaseUnavailable`.
 */
export class Database implements Sql {
  readonly #source: DataSource
  readonly #pool: Pool
  readonly #options: DatabaseOptions

  private constructor(source: DataSource, options: DatabaseOptions) {
    this.#source = source
    this.#options = options
    this.#pool = (source.driver as PostgresDriver).master as Pool
    // A client that breaks while it is checked out says so here; unheard, that would end the process.
    this.#pool.on('connect', client =>
      client.on('error', error => options.log.warn({ error: error.message }, 'database connection lost')),
    )
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
      extra: connectionSettings(options.timeoutMs),
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

  /** One statement that is its own transaction, tried again like {@link transaction}. The shape that pg-boss takes as its `db`. */
  async executeSql(text: string, values?: readonly unknown[]): Promise<QueryResult> {
    this.#refuseWhenFull()
    return await retrying(() => this.#pool.query(namedStatement(text, values)))
  }

  /**
   * Runs `work` in one transaction and commits. Deadlocks and serialization failures run all of it again, at most
   * {@link MAX_ATTEMPT_COUNT} times in all; so `work` does nothing but SQL.
   * @throws DatabaseUnavailable when the database is away or stays contended; nothing is then known to be changed
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

  /** For pg-boss's transactional workers; everybody else uses {@link transaction}. */
  async beginTransaction(): Promise<OpenTransaction> {
    this.#refuseWhenFull()
    try {
      return await OpenTransaction.begin(this.#source.createQueryRunner())
    } catch (error) {
      throw translateSqlError(error)
    }
  }

  /** Listens on a connection of its own, and again after each loss of it. */
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

  async close(): Promise<void> {
    await this.#source.destroy()
  }

  #refuseWhenFull(): void {
    if (this.#pool.waitingCount >= MAX_WAITING_COUNT)
      throw new Overloaded('The queue for database connections')
  }
}

/** Runs what Postgres undid for another's sake again, a few times, after a pause that is no two callers' the same. */
async function retrying<T>(attemptIt: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await attemptIt()
    } catch (error) {
      if (!isRetryable(error) || attempt === MAX_ATTEMPT_COUNT) throw translateSqlError(error)
      await delay(RETRY_BASE_MS * 2 ** attempt * Math.random())
    }
  }
}

function connectionSettings(timeoutMs: number) {
  return {
    statement_timeout: timeoutMs,
    // The server's own timeout fires first; this one is for a server that no longer answers.
    query_timeout: timeoutMs + 1_000,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_CONNECTION_TIMEOUT_MS,
    keepAlive: true,
    pipeline: true,
    options: `${KEPT_INDEX_PLANS} -c transaction_timeout=${TRANSACTION_TIMEOUT_MS}`,
  }
}
