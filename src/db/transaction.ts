import { createHash } from 'node:crypto'
import type { Writable } from 'node:stream'
import type { PoolClient, QueryResult } from 'pg'
import type { EntityManager, QueryRunner } from 'typeorm'
import { errorCode, isUnavailable } from './sql-errors.ts'

/** Runs SQL: inside a transaction ({@link Tx}), or one statement that is its own (the database itself). */
export interface Sql {
  /** The rows of one statement, prepared once a connection. */
  query<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>
  /** How many rows one statement affected. */
  execute(text: string, values?: readonly unknown[]): Promise<number>
}

/** Statements that may be prepared by name on one connection; beyond them (nothing of ours) they go unnamed. */
const MAX_NAMED_STATEMENTS = 400
const names = new Map<string, string>()

/** SQLSTATE in_failed_sql_transaction: what failed is an earlier statement. */
const ABORTED = '25P02'

/** pg-boss sends some statements as one text of several, which the extended protocol refuses. */
const SEVERAL_STATEMENTS = /;\s*\S/

/**
 * A statement for node-postgres. Repeated texts are prepared under a stable name, so that Postgres parses and
 * plans them once a connection instead of at every call.
 */
export function namedStatement(text: string, values?: readonly unknown[]) {
  let name = names.get(text)
  if (name === undefined && names.size < MAX_NAMED_STATEMENTS) {
    name = SEVERAL_STATEMENTS.test(text) ? '' : createHash('sha1').update(text).digest('base64url')
    names.set(text, name)
  }
  return { text, ...(name ? { name } : {}), ...(values ? { values: [...values] } : {}) }
}

/**
 * One open transaction. Statements may be sent before the ones ahead of them are answered (the connection pipelines
 * them); the server runs them in the order they were sent. Dead once it is settled: a statement that comes late is refused, never run outside. */
export class Tx implements Sql {
  /** Single rows by the ORM, in this transaction. */
  readonly entities: EntityManager
  readonly #client: PoolClient
  readonly #afterCommit: (() => void)[] = []
  readonly #afterRollback: ((cause: unknown) => void)[] = []
  #underWay: Promise<unknown>[] = []
  #failure: unknown
  #settled = false
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

  /** The shape that pg-boss takes as its `db` option. */
  async executeSql(text: string, values?: readonly unknown[]): Promise<QueryResult> {
    if (this.#settled) throw new Error('Transaction is already settled')
    this.#writeTogether()
    try {
      return await this.#client.query(namedStatement(text, values))
    } catch (error) {
      if (errorCode(error) === ABORTED) throw this.#failure ?? error
      this.#failure = error
      throw error
    }
  }

  /**
   * Leaves work under way whose result nobody needs: it goes out with the statements behind it instead of before them.
   * The commit waits for it, and does not happen when it fails.
   */
  pipeline(work: Promise<unknown>): void {
    work.catch(() => undefined)
    this.#underWay.push(work)
  }

  /**
   * Waits for what was left under way.
   * @throws what the first of it failed of
   */
  async flush(): Promise<void> {
    while (this.#underWay.length > 0) await Promise.all(this.#underWay.splice(0))
  }

  /** What is sent before the event loop turns goes out in one system call. */
  #writeTogether(): void {
    if (this.#corked) return
    // The pool's client type hides its connection.
    const { stream } = (this.#client as unknown as { connection: { stream: Writable } }).connection
    this.#corked = true
    stream.cork()
    setImmediate(() => {
      this.#corked = false
      stream.uncork()
    })
  }

  /**
   * Runs `work` so that its failure undoes only its own writes and locks. Costs no round trip.
   * @throws what `work` threw, with this transaction usable again unless the connection is gone
   */
  async savepoint<T>(work: () => Promise<T>): Promise<T> {
    const name = `s${++this.#savepoints}`
    const noticesBefore = this.#afterCommit.length
    const underWayBefore = this.#underWay.length
    this.#sendAhead(`savepoint ${name}`)
    try {
      const result = await work()
      await this.flush()
      this.#sendAhead(`release savepoint ${name}`)
      return result
    } catch (error) {
      this.#afterCommit.length = noticesBefore
      this.#underWay.length = Math.min(this.#underWay.length, underWayBefore)
      this.#failure = undefined
      if (!isUnavailable(error)) await this.executeSql(`rollback to savepoint ${name}`)
      throw error
    } finally {
      this.#savepoints--
    }
  }

  /** Sends a statement whose failure the next one would report too: nobody has to wait for its answer. */
  #sendAhead(text: string): void {
    this.executeSql(text).catch(() => undefined)
  }

  /** Calls `notice` once this transaction has committed: for logs and wake-ups, which must not promise too early. */
  afterCommit(notice: () => void): void {
    this.#afterCommit.push(notice)
  }

  /** Calls `notice` once it is certain that this transaction does not commit, with what it failed of. */
  afterRollback(notice: (cause: unknown) => void): void {
    this.#afterRollback.push(notice)
  }

  /** For {@link OpenTransaction} only. */
  settle(failure?: { cause: unknown }): void {
    this.#settled = true
    if (failure) for (const notice of this.#afterRollback) notice(failure.cause)
    else for (const notice of this.#afterCommit) notice()
  }
}

/** A transaction whose end is chosen elsewhere than its beginning; pg-boss's transactional workers need that. */
export class OpenTransaction {
  readonly db: Tx
  readonly #runner: QueryRunner
  readonly #client: PoolClient
  readonly #begun: Promise<unknown>
  #settled = false

  private constructor(runner: QueryRunner, client: PoolClient) {
    this.#runner = runner
    this.#client = client
    this.db = new Tx(client, runner.manager)
    // Not waited for: it goes out with the first statement, and is looked at before the commit.
    this.#begun = this.db.executeSql('begin')
    this.#begun.catch(() => undefined)
  }

  /** Takes a connection and opens a transaction on it. */
  static async begin(runner: QueryRunner): Promise<OpenTransaction> {
    return new OpenTransaction(runner, await runner.connect())
  }

  /** @throws when the commit fails; a lost connection leaves its outcome unknown */
  async commit(): Promise<void> {
    if (this.#settled) throw new Error('Transaction is already settled')
    this.#settled = true
    try {
      await this.#begun
      await this.db.flush()
      const { command } = await this.#client.query('commit')
      // A transaction that was aborted answers a commit with a rollback, and no error.
      if (command !== 'COMMIT') throw new Error('Transaction was rolled back instead of committed')
    } catch (error) {
      this.db.settle({ cause: error })
      await destroy(this.#runner, this.#client)
      throw error
    }
    await this.#runner.release()
    this.db.settle()
  }

  /** Never throws and never waits long: a connection that cannot roll back is dropped, which rolls back too. */
  async rollback(cause?: unknown): Promise<void> {
    if (this.#settled) return
    this.#settled = true
    this.db.settle({ cause })
    try {
      if (isUnavailable(cause)) throw cause
      await this.#client.query('rollback')
      await this.#runner.release()
    } catch {
      await destroy(this.#runner, this.#client)
    }
  }
}

/** Gives the connection back as ended, so that the pool drops it and the server undoes what was open on it. */
async function destroy(runner: QueryRunner, client: PoolClient): Promise<void> {
  // The pool's client type hides `end`, which marks it unusable and closes the socket without waiting.
  void (client as unknown as { end(): Promise<void> }).end().catch(() => undefined)
  await runner.release()
}
