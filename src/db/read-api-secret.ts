import { hkdfSync } from 'node:crypto'
import type { Sql } from './transaction.ts'

const KEY_BYTES = 32

/** Reads the secret that all API processes of the database share. */
export async function readApiSecret(sql: Sql): Promise<Buffer> {
  const [secret] = await sql.query<{ value: Buffer }>(secretSql)
  if (!secret) throw new Error('api_secrets has no cursor secret: was its row deleted?')
  return secret.value
}

/** Derives the key of one purpose from the secret. No other purpose has the same key. */
export async function deriveApiKey(sql: Sql, purpose: string): Promise<Uint8Array> {
  return new Uint8Array(hkdfSync('sha256', await readApiSecret(sql), '', `comanda ${purpose}`, KEY_BYTES))
}

const secretSql = `
  select value
  from api_secrets
  where name = 'cursor'
`
