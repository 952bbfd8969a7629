import { DatabaseUnavailable, ExpectedError } from '../platform/errors.ts'

/** SQLSTATEs after which the same transaction may succeed on a retry (PostgreSQL, appendix A). */
const RETRYABLE = new Set([
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  '55P03', // lock_not_available
])

/** SQLSTATEs and Node error codes of an unavailable database, as opposed to a wrong statement. */
const UNAVAILABLE = new Set([
  '25P03', // idle_in_transaction_session_timeout
  '25P04', // transaction_timeout
  '53300', // too_many_connections
  '57014', // query_canceled, by statement_timeout
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
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
 * Returns whether the database is unreachable, was too slow or dropped the connection. The outcome
 * of a commit is then unknown.
 */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof DatabaseUnavailable) return true
  const code = errorCode(error)
  if (code !== undefined) return UNAVAILABLE.has(code) || code.startsWith('08')
  return error instanceof Error && CONNECTION_MESSAGE.test(error.message)
}

/**
 * Returns the error to throw: {@link DatabaseUnavailable} for technical errors, else the error
 * itself.
 */
export function translateSqlError(error: unknown): unknown {
  if (error instanceof ExpectedError) return error
  return isRetryable(error) || isUnavailable(error) ? new DatabaseUnavailable(error) : error
}
