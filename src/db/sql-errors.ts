import { DatabaseUnavailable, ExpectedError } from '../platform/errors.ts'

/** SQLSTATEs after which the same transaction may succeed on a retry (PostgreSQL, appendix A). */
const RETRYABLE = new Set([
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  '55P03', // lock_not_available
])

/** SQLSTATE classes of an unavailable database, as opposed to a wrong statement. */
const UNAVAILABLE_CLASSES = new Set([
  '08', // connection exception
  '28', // invalid authorization specification: the login was changed while the process runs
  '53', // insufficient resources: disk full, out of memory, too many connections
  '57', // operator intervention; 57014 includes the end of a statement by statement_timeout
  '58', // system error: an I/O error below Postgres
])

/** SQLSTATEs and Node error codes of an unavailable database. */
const UNAVAILABLE = new Set([
  '25006', // read_only_sql_transaction: the connection leads to a standby
  '25P03', // idle_in_transaction_session_timeout
  '25P04', // transaction_timeout
  '3D000', // invalid_catalog_name: the database was dropped or renamed
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
])

/** Messages of node-postgres errors that have no code, and of our own `Tx`. */
const CONNECTION_MESSAGE =
  /query read timeout|timeout exceeded when trying to connect|timeout expired|connection terminated|connection error and is not queryable|cannot use a pool after|transaction has already ended/i

/** Returns the SQLSTATE or Node error code of an error, if it has one. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Returns whether the same transaction may succeed on a retry. */
export function isRetryable(error: unknown): boolean {
  return RETRYABLE.has(errorCode(error) ?? '')
}

/**
 * Returns whether the database is unreachable, was too slow, rejects all writes or dropped the
 * connection. The outcome of a commit is then unknown. Errors of connecting are already {@link
 * DatabaseUnavailable}, see `Connection`.
 */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof DatabaseUnavailable) return true
  const code = errorCode(error)
  if (code !== undefined) return UNAVAILABLE.has(code) || isOfUnavailableClass(code)
  return error instanceof Error && CONNECTION_MESSAGE.test(error.message)
}

function isOfUnavailableClass(code: string): boolean {
  return /^[0-9A-Z]{5}$/.test(code) && UNAVAILABLE_CLASSES.has(code.slice(0, 2))
}

/**
 * Returns the error to throw: {@link DatabaseUnavailable} for technical errors, else the error
 * itself.
 */
export function translateSqlError(error: unknown): unknown {
  if (error instanceof ExpectedError) return error
  return isRetryable(error) || isUnavailable(error) ? new DatabaseUnavailable(error) : error
}
