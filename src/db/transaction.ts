import { createHash } from 'node:crypto'
import type { Writable } from 'node:stream'
import type { PoolClient, QueryResult } from 'pg'
import type { EntityManager, QueryRunner } from 'typeorm'
import { errorCode, isUnavailable } from './sql-errors.ts'

/** Runs statements that return rows. */
export interface Queries {
  /** Returns the rows of one statement, which is prepared once per connection. */
  query<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>
}

/** Runs SQL, either in a transaction ({@link Tx}) or as one statement each (`Database`). */
export interface Sql extends Queries {
  /** Returns the number of rows that one statement affected. */
  execute(text: string, values?: readonly unknown[]): Promise<number>
}

/**
 * Maximum number of statements prepared by name, more than we have. Further ones are sent unnamed.
 */
const MAX_NAMED_STATEMENTS = 400
const names = new Map<string, string>()

/** SQLSTATE in_failed_sql_transaction: an earlier statement has failed. */
const ABORTED = '25P02'

/**
 * Texts without a name. pg-boss sends some that hold several statements, which cannot be prepared.
 * The statements that define tables, views and privileges run once: `npm start` migrates in the
 * process of all roles, and they would use up the names of the others.
 */
const UNNAMED = /;\s*\S|^\s*(alter|comment|create|drop|grant|revoke)\s/i

/**
 * Returns a statement for node-postgres under a name derived from its text, so that Postgres parses
 * and plans it once per connection instead of once per call.
 */
export function namedStatement(text: string, values?: readonly unknown[]) {
  let name = names.get(text)
  if (name === undefined && names.size < MAX_NAMED_STATEMENTS && !UNNAMED.test(text)) {
    name = createHash('sha1').update(text).digest('base64url')
    names.set(text, name)
  }
  return { text, ...(name ? { name } : {}), ...(values ? { values: [...values] } : {}) }
}

/**
 * One open transaction. The connection pipelines statements: the next one may be sent before the
 * previous one is answered, and the server runs them in order. A statement sent after the end of
 * the transaction is rejected, never run outside of it.
 */
export class Tx implements Sql {
  /** ORM access to single rows, in this transaction. */
  readonly entities: EntityManager
  readonly #client: PoolClient
  readonly #afterCommit: (() => void)[] = []
  readonly #afterRollback: ((cause: unknown) => void)[] = []
  #pipelined: Promise<unknown>[] = []
  #failure: unknown
  #ended = false
  #corked = false
  #savepoints = 0

  constructor(client: PoolClient, entities: EntityManager) {
    this.#client = client
    this.entities = entities
  }

  async query<Row>(text: string, values?: readonly unknown[]): Promise<Row[]> {
    const { rows } = await this.executeSql(text, values)
    return rows as Row[]
  }

  async execute(text: string, values?: readonly unknown[]): Promise<number> {
    const { rowCount } = await this.executeSql(text, values)
    return rowCount ?? 0
  }

  /** pg-boss's `db` option requires this method. */
  async executeSql(text: string, values?: readonly unknown[]): Promise<QueryResult> {
    if (this.#ended) throw new Error('Transaction has already ended')
    this.#corkUntilNextTurn()
    try {
      return await this.#client.query(namedStatement(text, values))
    } catch (error) {
      if (errorCode(error) === ABORTED) throw this.#failure ?? error
      this.#failure = error
      throw error
    }
  }

  /**
   * Runs work without waiting for its result, so that it shares a round trip with later statements.
   * The commit waits for it and fails if it fails.
   */
  pipeline(work: Promise<unknown>): void {
    work.catch(() => undefined)
    this.#pipelined.push(work)
  }

  /**
   * Waits for all pipelined work.
   * @throws the error of the first that failed
   */
  async flush(): Promise<void> {
    while (this.#pipelined.length > 0) {
      const results = await Promise.allSettled(this.#pipelined.splice(0))
      for (const result of results) if (result.status === 'rejected') throw result.reason
    }
  }

  /** Sends all statements of one turn of the event loop in one system call. */
  #corkUntilNextTurn(): void {
    if (this.#corked) return
    // The type of the pool's client hides its connection.
    const { stream } = (this.#client as unknown as { connection: { stream: Writable } }).connection
    this.#corked = true
    stream.cork()
    setImmediate(() => {
      this.#corked = false
      stream.uncork()
    })
  }

  /**
   * Runs `work` in a savepoint: its failure undoes only its own writes and locks. Costs no round
   * trip, but waits for all pipelined work.
   * @throws the error of `work`, after which the transaction stays usable unless the connection is
   * lost; or the error of work that was pipelined before, after which it does not
   */
  async savepoint<T>(work: () => Promise<T>): Promise<T> {
    const name = `s${++this.#savepoints}`
    const callbacksBefore = this.#afterCommit.length
    const earlier = Promise.all(this.#pipelined)
    earlier.catch(() => undefined)
    this.#sendAhead(`savepoint ${name}`)
    try {
      const result = await work()
      await this.flush()
      this.#sendAhead(`release savepoint ${name}`)
      return result
    } catch (error) {
      this.#afterCommit.length = callbacksBefore
      // What was sent before the savepoint fails the whole transaction.
      await earlier
      await this.flush().catch(() => undefined)
      this.#failure = undefined
      if (!isUnavailable(error)) await this.executeSql(`rollback to savepoint ${name}`)
      throw error
    } finally {
      this.#savepoints--
    }
  }

  /** Sends a statement without waiting. If it fails, the next statement reports the error. */
  #sendAhead(text: string): void {
    this.executeSql(text).catch(() => undefined)
  }

  /** Calls `callback` after the commit: for logs and wake-ups, which must not precede it. */
  afterCommit(callback: () => void): void {
    this.#afterCommit.push(callback)
  }

  /** Calls `callback` with the error when the transaction has failed to commit. */
  afterRollback(callback: (cause: unknown) => void): void {
    this.#afterRollback.push(callback)
  }

  /** Marks the end and runs the callbacks. For {@link OpenTransaction} only. */
  end(failure?: { cause: unknown }): void {
    this.#ended = true
    if (failure) for (const callback of this.#afterRollback) callback(failure.cause)
    else for (const callback of this.#afterCommit) callback()
  }
}

/**
 * A transaction that one function begins and another ends, as pg-boss's transactional workers
 * require.
 */
export class OpenTransaction {
  readonly db: Tx
  readonly #runner: QueryRunner
  readonly #client: PoolClient
  readonly #begun: Promise<unknown>
  #ended = false

  private constructor(runner: QueryRunner, client: PoolClient) {
    this.#runner = runner
    this.#client = client
    this.db = new Tx(client, runner.manager)
    // Sent together with the first statement; `commit` checks the result.
    this.#begun = this.db.executeSql('begin')
    this.#begun.catch(() => undefined)
  }

  /** Takes a connection from the pool and begins a transaction on it. */
  static async begin(runner: QueryRunner): Promise<OpenTransaction> {
    return new OpenTransaction(runner, await runner.connect())
  }

  /** @throws when the commit fails. If the connection was lost, the outcome is unknown. */
  async commit(): Promise<void> {
    if (this.#ended) throw new Error('Transaction has already ended')
    this.#ended = true
    try {
      await this.#begun
      await this.db.flush()
      const { command } = await this.#client.query('commit')
      // Postgres answers the commit of an aborted transaction with ROLLBACK and no error.
      if (command !== 'COMMIT') throw new Error('Transaction was rolled back instead of committed')
    } catch (error) {
      this.db.end({ cause: error })
      await destroy(this.#runner, this.#client)
      throw error
    }
    await this.#runner.release()
    this.db.end()
  }

  /** Never throws. A connection that cannot roll back is dropped, which rolls back too. */
  async rollback(cause?: unknown): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    this.db.end({ cause })
    try {
      if (isUnavailable(cause)) throw cause
      await this.#client.query('rollback')
      await this.#runner.release()
    } catch {
      await destroy(this.#runner, this.#client)
    }
  }
}

/** Closes the connection: the pool drops it, and the server rolls back its transaction. */
async function destroy(runner: QueryRunner, client: PoolClient): Promise<void> {
  // The type of the pool's client hides `end`, which marks it unusable and closes the socket at
  // once.
  void (client as unknown as { end(): Promise<void> }).end().catch(() => undefined)
  await runner.release()
}
