import { DatabaseUnavailable } from '../platform/errors.ts'
import { ServerIsStandby } from './connection.ts'
import { errorCode } from './sql-errors.ts'

/** Reasons without names, values or file paths, so that unauthenticated clients may see them. */
const reasons: Record<string, string> = {
  '25006': 'it is read-only',
  '3D000': 'it does not exist',
  '53100': 'its disk is full',
  '53200': 'it is out of memory',
  '53300': 'it has too many connections',
  '57014': 'a statement took too long',
  '57P03': 'it is starting or stopping',
  '58030': 'its disk fails',
}

/** SQLSTATEs of a login that Postgres rejects: waiting does not help. */
const REJECTED_LOGIN = /^(28...|3D000|42501)$/

/** Of PgBouncer, whose error has the code of a protocol violation. */
const REJECTED_PARAMETER = /unsupported startup parameter/

/** Returns in a few words why the database is unavailable, e.g. `its disk is full (53100)`. */
export function unavailableReason(error: unknown): string {
  const cause = causeOf(error)
  const code = errorCode(cause)
  if (code === undefined) return 'it does not answer'
  if (cause instanceof ServerIsStandby) return `it is a standby, not the primary (${code})`
  const reason =
    reasons[code] ?? (REJECTED_LOGIN.test(code) ? 'it rejects the login' : 'it cannot be reached')
  return `${reason} (${code})`
}

/** Returns whether Postgres rejects the login or has no such database: waiting does not help. */
export function isLoginRejected(error: DatabaseUnavailable): boolean {
  return REJECTED_LOGIN.test(errorCode(error.cause) ?? '') || REJECTED_PARAMETER.test(String(error.cause))
}

/** Returns one sentence for the user who has started a process or a script. */
export function unavailableSentence(error: DatabaseUnavailable): string {
  const { cause } = error
  const code = errorCode(cause) ?? ''
  // Node's error for a host with several addresses has no message.
  const message = (cause instanceof Error && cause.message.split('\n', 1)[0]) || code || 'no answer'
  if (REJECTED_PARAMETER.test(message))
    return `the connection pooler in DATABASE_URL rejects it: ${message}; remove it from the URL, or add it to \`ignore_startup_parameters\` of PgBouncer`
  if (code === '3D000') return `the database in DATABASE_URL does not exist: ${message}`
  if (cause instanceof ServerIsStandby)
    return `DATABASE_URL leads to a standby, which accepts no writes; it must lead to the primary`
  if (isLoginRejected(error)) return `Postgres rejected the login in DATABASE_URL: ${message}`
  if (reasons[code]) return `the database is unavailable, ${reasons[code]}: ${message}`
  return `cannot reach the database in DATABASE_URL: ${message}`
}

function causeOf(error: unknown): unknown {
  return error instanceof DatabaseUnavailable ? error.cause : error
}
