import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import type { Sql } from './transaction.ts'

const KEY_BYTES = 32

/**
 * Reads the secret that all API processes of the database share. It is a KeyObject, because
 * `createHmac` of Node 24.21 takes 2 µs with one and 13 µs with bytes.
 */
export async function readApiSecret(sql: Sql): Promise<KeyObject> {
  const [secret] = await sql.query<{ value: Buffer }>(secretSql)
  if (!secret) throw new Error('api_secrets has no cursor secret: was its row deleted?')
  return createSecretKey(secret.value)
}

/** Derives the key of one purpose from the secret. No other purpose has the same key. */
export async function deriveApiKey(sql: Sql, purpose: string): Promise<KeyObject> {
  const key = hkdfSync('sha256', await readApiSecret(sql), '', `comanda ${purpose}`, KEY_BYTES)
  return createSecretKey(new Uint8Array(key))
}

const secretSql = `
  select value
  from api_secrets
  where name = 'cursor'
`
