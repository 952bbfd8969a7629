import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'

const ITERATION_COUNT = 4_096
const SALT_BYTES = 16
const KEY_BYTES = 32

/**
 * Returns what Postgres stores of a password (RFC 5803). Statements carry it in place of the
 * password, which therefore never appears in server logs or in `pg_stat_activity`.
 * @param password ASCII characters; all others would need preparation (RFC 4013)
 */
export function scramVerifier(password: string, salt = randomBytes(SALT_BYTES)): string {
  const salted = pbkdf2Sync(password, salt, ITERATION_COUNT, KEY_BYTES, 'sha256')
  const keyOf = (name: string) => createHmac('sha256', salted).update(name).digest()
  const stored = createHash('sha256').update(keyOf('Client Key')).digest('base64')
  const server = keyOf('Server Key').toString('base64')
  return `SCRAM-SHA-256$${ITERATION_COUNT}:${salt.toString('base64')}$${stored}:${server}`
}
