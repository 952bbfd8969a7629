import { createHash, randomBytes } from 'node:crypto'
import type { Sql } from '../../db/transaction.ts'
import type { Caller, Scope } from '../../platform/caller.ts'
import { newId } from '../../platform/ids.ts'
import type { Authenticator } from './authenticate.ts'

/** Keys of 256 random bits: with so many, a plain hash is as good as a slow one, and can be looked up. */
const KEY_BYTES = 32
/** So that one found somewhere is known for what it is. */
const PREFIX = 'comanda_'
const KEY = /^comanda_[\w-]{43}$/
/** How long a look at the table holds: longest that a revoked key still works. */
const HOLDS_MS = 30_000
const MAX_CACHED_COUNT = 10_000

export interface NewApiKey {
  name: string
  scopes: readonly Scope[]
  /** undefined: all */
  restaurant_ids?: readonly string[] | undefined
}

/** @returns the key itself, which is stored nowhere and cannot be shown again */
export async function createApiKey(
  sql: Sql,
  { name, scopes, restaurant_ids }: NewApiKey,
): Promise<{ key_id: string; key: string }> {
  const key_id = newId()
  const key = PREFIX + randomBytes(KEY_BYTES).toString('base64url')
  await sql.execute(createSql, [key_id, name, hashOf(key), scopes, restaurant_ids ?? null])
  return { key_id, key }
}

/** From {@link HOLDS_MS} on, the key is good for nothing. @returns false when there is no such key, or no more */
export async function revokeApiKey(sql: Sql, keyId: string): Promise<boolean> {
  return (await sql.execute(revokeSql, [keyId])) === 1
}

export interface ApiKey {
  key_id: string
  name: string
  scopes: Scope[]
  restaurant_ids: string[] | null
  created_at: Date
  revoked_at: Date | null
}

/** Every key there has been, oldest first. */
export async function listApiKeys(sql: Sql): Promise<ApiKey[]> {
  return await sql.query<ApiKey>(listSql)
}

/** @param clock ms since whenever */
export function apiKeyAuthenticator(sql: Sql, clock: () => number = Date.now): Authenticator {
  const known = new Map<string, { caller: Caller; until: number }>()
  return async token => {
    if (!KEY.test(token)) return undefined
    const hash = hashOf(token)
    const name = hash.toString('base64')
    const held = known.get(name)
    if (held && held.until > clock()) return held.caller
    known.delete(name)
    const until = clock() + HOLDS_MS
    const [key] = await sql.query<Pick<ApiKey, 'key_id' | 'scopes' | 'restaurant_ids'>>(findSql, [hash])
    if (!key) return undefined
    const { key_id, scopes, restaurant_ids } = key
    const caller = {
      id: `key:${key_id}`,
      scopes: new Set(scopes),
      restaurants: restaurant_ids ? new Set(restaurant_ids) : undefined,
    }
    if (known.size >= MAX_CACHED_COUNT) known.clear()
    known.set(name, { caller, until })
    return caller
  }
}

function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}

const createSql = `
  insert into api_keys (key_id, name, hash, scopes, restaurant_ids)
  values ($1, $2, $3, $4, $5)
`

const revokeSql = `
  update api_keys
  set revoked_at = clock_timestamp()
  where key_id = $1
    and revoked_at is null
`

const listSql = `
  select key_id, name, scopes, restaurant_ids, created_at, revoked_at
  from api_keys
  order by key_id
`

const findSql = `
  select key_id, scopes, restaurant_ids
  from api_keys
  where hash = $1
    and revoked_at is null
`
