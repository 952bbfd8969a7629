import { randomBytes } from 'node:crypto'

/** What Standard Webhooks puts before a symmetric secret. */
const PREFIX = 'whsec_'
const SECRET_BYTES = 32

/** How long deliveries are signed with the previous secret, too. */
export const SECRET_OVERLAP_HOURS = 24

/** A new secret for HMAC-SHA256, as receivers put it into a Standard Webhooks library. */
export function newSecret(): string {
  return PREFIX + randomBytes(SECRET_BYTES).toString('base64')
}
