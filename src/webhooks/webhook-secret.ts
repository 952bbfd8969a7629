import { randomBytes } from 'node:crypto'

/** Prefix of symmetric secrets in Standard Webhooks. */
const PREFIX = 'whsec_'
const SECRET_BYTES = 32

/** Time after a rotation in which deliveries are also signed with the previous secret. */
export const SECRET_OVERLAP_HOURS = 24

/** Returns a new HMAC-SHA256 secret in the format of Standard Webhooks libraries. */
export function newSecret(): string {
  return PREFIX + randomBytes(SECRET_BYTES).toString('base64')
}
