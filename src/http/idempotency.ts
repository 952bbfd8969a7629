import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Database } from '../db/database.ts'
import type { Sql, Tx } from '../db/transaction.ts'
import { IdempotencyKeyInFlight, type IdempotentRequest } from '../platform/idempotent-request.ts'
import { MAX_KEY_LENGTH } from './limits.ts'
import { expectedError } from './problem.ts'
import type { RouteReply } from './route-reply.ts'

/**
 * Safe retries by `Idempotency-Key` (IETF draft-ietf-httpapi-idempotency-key-header): the answer is written in the
 * transaction of what it answers, so that neither exists without the other. A refusal changed nothing and is not
 * remembered: its key is free.
 */

/** Visible ASCII, with or without the quotes of a structured field. */
const KEY = new RegExp(
  `^(?:"[\\x21\\x23-\\x5b\\x5d-\\x7e]{1,${MAX_KEY_LENGTH}}"|[\\x21\\x23-\\x7e]{1,${MAX_KEY_LENGTH}})$`,
)

export const idempotencyKeyHeader = z.string().min(1).max(MAX_KEY_LENGTH).meta({
  description:
    'A name of your own for this request, e.g. a UUID: sent again with it, the request has no second effect and gets the first answer. Kept 24 hours.',
})

/**
 * The key in a header's value.
 * @throws idempotency-key-invalid; idempotency-key-missing when there is none and one is `required`
 */
export function parseIdempotencyKey(header: string | undefined, required: boolean): string | undefined {
  if (header === undefined) {
    if (!required) return undefined
    throw expectedError('idempotency-key-missing')
  }
  if (!KEY.test(header)) throw expectedError('idempotency-key-invalid')
  return header.startsWith('"') ? header.slice(1, -1) : header
}

/** @param parts whatever makes the request what it is, parsed: spacing and the order of properties do not count */
export function fingerprintOf(...parts: unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
}

/**
 * Runs `work` in one transaction with the record of its answer, once a key; without one, just in a transaction.
 * @throws IdempotencyKeyInFlight, idempotency-key-reused, or what `work` throws, with nothing changed
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
    const earlier = await findStoredReply<Reply>(tx, request)
    if (earlier) return earlier
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
    // Placing an order takes no lock: it may have been faster.
    if (saved !== 1) throw new IdempotencyKeyInFlight()
    return reply
  })
}

/**
 * What was answered to an earlier request with this key, if there was one.
 * @throws idempotency-key-reused when that was another request
 */
export async function findStoredReply<Reply>(
  sql: Sql,
  { caller, key, fingerprint }: IdempotentRequest,
): Promise<RouteReply<Reply> | undefined> {
  const [answer] = await sql.query<{ fingerprint: string; headers: Record<string, string>; body: Reply }>(
    findSql,
    [caller, key],
  )
  if (!answer) return undefined
  if (answer.fingerprint !== fingerprint) throw expectedError('idempotency-key-reused')
  return { body: answer.body, headers: { ...answer.headers, 'Idempotency-Replayed': 'true' } }
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
