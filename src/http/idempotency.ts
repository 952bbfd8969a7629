import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Database } from '../db/database.ts'
import type { Sql, Tx } from '../db/transaction.ts'
import { IdempotencyKeyInFlight, type IdempotentRequest } from '../platform/idempotent-request.ts'
import { MAX_KEY_LENGTH } from './limits.ts'
import { expectedError } from './problem.ts'
import type { RouteReply } from './route-reply.ts'

/**
 * Safe retries with `Idempotency-Key` (IETF draft-ietf-httpapi-idempotency-key-header). The reply
 * is
 * stored in the transaction of the change, so that neither exists without the other. A rejected
 * request changes nothing and leaves its key unused.
 */

/** Visible ASCII, optionally in the quotes of a structured field. */
const KEY = new RegExp(
  `^(?:"[\\x21\\x23-\\x5b\\x5d-\\x7e]{1,${MAX_KEY_LENGTH}}"|[\\x21\\x23-\\x7e]{1,${MAX_KEY_LENGTH}})$`,
)

export const idempotencyKeyHeader = z.string().min(1).max(MAX_KEY_LENGTH).meta({
  description:
    'Unique key that you generate per request, such as a UUID. A repeated request with the same key has no second effect and gets the stored response. By default kept for 24 hours.',
})

/**
 * Returns the key in the header.
 * @throws idempotency-key-invalid; idempotency-key-missing when a `required` key is absent
 */
export function parseIdempotencyKey(header: string | undefined, required: boolean): string | undefined {
  if (header === undefined) {
    if (!required) return undefined
    throw expectedError('idempotency-key-missing')
  }
  if (!KEY.test(header)) throw expectedError('idempotency-key-invalid')
  return header.startsWith('"') ? header.slice(1, -1) : header
}

/**
 * Hashes the parsed parts that identify a request, independent of whitespace and property order.
 */
export function fingerprintOf(...parts: unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
}

/**
 * Runs `work` and stores its reply in one transaction, once per key. A repeated request gets the
 * stored reply. Without a key, only runs `work` in a transaction.
 * @throws IdempotencyKeyInFlight, idempotency-key-reused and the errors of `work`; nothing is
 *   changed
 */
export async function withIdempotency<Reply>(
  database: Database,
  request: IdempotentRequest | undefined,
  status: number,
  work: (tx: Tx) => Promise<RouteReply<Reply>>,
): Promise<RouteReply<Reply>> {
  if (!request) return await database.transaction(work)
  return await database.transaction(async tx => {
    const [lock] = await tx.query<{ taken: boolean }>(lockSql, [
      JSON.stringify([request.caller, request.key]),
    ])
    if (!lock?.taken) throw new IdempotencyKeyInFlight()
    const stored = await findStoredReply<Reply>(tx, request)
    if (stored) return stored
    const reply = await work(tx)
    const { caller, key, fingerprint } = request
    const saved = await tx.execute(saveSql, [
      caller,
      key,
      fingerprint,
      status,
      reply.headers ?? {},
      JSON.stringify(reply.body),
    ])
    // Placing an order takes no lock, so that it may have used the key in the meantime.
    if (saved !== 1) throw new IdempotencyKeyInFlight()
    return reply
  })
}

/**
 * Returns the stored reply to an earlier request with this key, or undefined.
 * @throws idempotency-key-reused when the earlier request was a different one
 */
export async function findStoredReply<Reply>(
  sql: Sql,
  { caller, key, fingerprint }: IdempotentRequest,
): Promise<RouteReply<Reply> | undefined> {
  const [stored] = await sql.query<{ fingerprint: string; headers: Record<string, string>; body: Reply }>(
    findSql,
    [caller, key],
  )
  if (!stored) return undefined
  if (stored.fingerprint !== fingerprint) throw expectedError('idempotency-key-reused')
  return markAsReplayed(stored)
}

/** Returns the reply to an earlier request, marked as such. */
export function markAsReplayed<Reply>({ body, headers }: RouteReply<Reply>): RouteReply<Reply> {
  return { body, headers: { ...headers, 'Idempotency-Replayed': 'true' } }
}

const lockSql = `
  select pg_try_advisory_xact_lock(hashtextextended($1, 0)) as taken
`

const findSql = `
  select fingerprint, headers, body
  from idempotency_keys
  where caller = $1
    and key = $2
`

const saveSql = `
  insert into idempotency_keys (caller, key, fingerprint, status, headers, body)
  values ($1, $2, $3, $4, $5, $6)
  on conflict do nothing
`
