import { randomBytes } from 'node:crypto'
import type { Tx } from '../db/transaction.ts'
import { now } from '../platform/clock.ts'
import { TooManySecrets } from '../platform/errors.ts'

/** Prefix of symmetric secrets in Standard Webhooks. */
const PREFIX = 'whsec_'
const SECRET_BYTES = 32

/** Time for which a secret remains valid after a rotation. */
export const SECRET_OVERLAP_HOURS = 24
/** Valid secrets of a webhook. Each adds a signature to every delivery. */
const MAX_SECRET_COUNT = 5

/** Returns a new HMAC-SHA256 secret in the format of Standard Webhooks libraries. */
export function newSecret(): string {
  return PREFIX + randomBytes(SECRET_BYTES).toString('base64')
}

/**
 * Replaces the current secret of a webhook whose row is locked. Every replaced secret stays valid
 * for {@link SECRET_OVERLAP_HOURS} hours by the database's clock, also after further rotations.
 * @returns when the replaced secret expires
 * @throws TooManySecrets when five secrets are valid
 */
export async function replaceSecret(tx: Tx, webhookId: string, secret: string): Promise<Date> {
  const [valid] = await tx.query<{ count: number; next_expiry: Date | null }>(countSql, [webhookId])
  if (valid && valid.count >= MAX_SECRET_COUNT)
    throw new TooManySecrets(MAX_SECRET_COUNT, valid.next_expiry ?? now())
  const [replaced] = await tx.query<{ expires_at: Date }>(expireSql, [webhookId])
  if (!replaced) throw new Error(`webhook ${webhookId} has no current secret`)
  await tx.execute(insertSecretSql, [webhookId, secret])
  return replaced.expires_at
}

const countSql = `
  select count(*)::integer as count, min(expires_at) as next_expiry
  from webhook_secrets
  where webhook_id = $1
    and (expires_at is null or expires_at > clock_timestamp())
`

const expireSql = `
  update webhook_secrets
  set expires_at = clock_timestamp() + interval '${SECRET_OVERLAP_HOURS} hours'
  where webhook_id = $1
    and expires_at is null
  returning expires_at
`

const insertSecretSql = `
  insert into webhook_secrets (webhook_id, secret)
  values ($1, $2)
`
