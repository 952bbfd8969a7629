import { ConfigurationError } from '../platform/config.ts'
import { Connection } from './connection.ts'
import { errorCode, translateSqlError } from './sql-errors.ts'

/**
 * What is between a process and Postgres: nothing, or a connection pooler such as PgBouncer that
 * gives each connection a session of its own (`session`), or one per transaction.
 */
export type Pooling = 'none' | 'session' | 'transaction'

const TIMEOUT_MS = 3_000
/** A pooler in transaction mode usually gives the session that was used last. */
const ATTEMPT_COUNT = 3

/** SQLSTATEs of a prepared statement that is in another session, or in this one from elsewhere. */
const NOT_PREPARED = new Set(['26000', '42P05'])

/** Named, so that Postgres prepares it. */
const probe = { name: 'comanda_pooling', text: 'select pg_backend_pid() as pid' }

/**
 * Detects a connection pooler. It gives clients a process id of its own, and in transaction mode
 * two connections get the same session.
 * @throws ConfigurationError when the pooler does not support prepared statements
 * @throws DatabaseUnavailable
 */
export async function detectPooling(url: string): Promise<Pooling> {
  const first = await connect(url)
  try {
    const { rows } = await first.query<{ pid: number }>('select pg_backend_pid() as pid')
    // The type of the client lacks it.
    if (rows[0]?.pid === (first as unknown as { processID: number }).processID) return 'none'
    const second = await connect(url)
    try {
      return await compare(first, second)
    } finally {
      await end(second)
    }
  } catch (error) {
    throw translateSqlError(error)
  } finally {
    await end(first)
  }
}

async function compare(first: Connection, second: Connection): Promise<Pooling> {
  for (let attempt = 1; attempt <= ATTEMPT_COUNT; attempt++) {
    const session = await prepared(first)
    await second.query('begin')
    const { rows } = await second.query<{ pid: number }>('select pg_backend_pid() as pid')
    if (rows[0]?.pid === session) {
      // The second connection holds the session in which the first has prepared its statement.
      await prepared(first)
      return 'transaction'
    }
    await second.query('rollback')
  }
  return 'session'
}

async function prepared(client: Connection): Promise<number | undefined> {
  try {
    return (await client.query<{ pid: number }>(probe)).rows[0]?.pid
  } catch (error) {
    if (!NOT_PREPARED.has(errorCode(error) ?? '')) throw error
    throw new ConfigurationError(
      'DATABASE_URL: leads to a connection pooler in transaction mode that does not support prepared statements; set `pool_mode = session` in PgBouncer, or use the address of Postgres itself',
    )
  }
}

async function connect(url: string): Promise<Connection> {
  const client = new Connection({
    connectionString: url,
    application_name: 'comanda-pooling',
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
  })
  await client.connect()
  return client
}

async function end(client: Connection): Promise<void> {
  await client.end().catch(() => undefined)
}
