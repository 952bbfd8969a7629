import { createHash, randomBytes } from 'node:crypto'
import type { Sql } from '../../db/transaction.ts'
import type { Caller, Scope } from '../../platform/caller.ts'
import { newId } from '../../platform/ids.ts'
import type { Authenticator } from './authenticate.ts'

/**
 * 256 random bits per key. At this entropy a fast hash is as safe as a slow one, and can be
 * indexed.
 */
const KEY_BYTES = 32
/** Makes leaked keys recognisable to secret scanners. */
const PREFIX = 'comanda_'
const KEY = /^comanda_[\w-]{43}$/
/** Time that a lookup is cached, and the longest time that a revoked key still works. */
const CACHE_MS = 30_000
const MAX_CACHED_COUNT = 10_000

export interface NewApiKey {
  name: string
  scopes: readonly Scope[]
  /** undefined grants access to all restaurants */
  restaurant_ids?: readonly string[] | undefined
}

/** Creates a key. @returns the key itself, which is not stored and cannot be shown again */
export async function createApiKey(
  sql: Sql,
  { name, scopes, restaurant_ids }: NewApiKey,
): Promise<{ key_id: string; key: string }> {
  const key_id = newId()
  const key = PREFIX + randomBytes(KEY_BYTES).toString('base64url')
  await sql.execute(createSql, [key_id, name, hashOf(key), scopes, restaurant_ids ?? null])
  return { key_id, key }
}

/** Revokes a key within {@link CACHE_MS}. @returns false when no active key has this id */
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

/** Returns all keys, including revoked ones, oldest first. */
export async function listApiKeys(sql: Sql): Promise<ApiKey[]> {
  return await sql.query<ApiKey>(listSql)
}

/** Authenticates API keys, with a cache. @param clock in ms */
export function apiKeyAuthenticator(sql: Sql, clock = () => performance.now()): Authenticator {
  const known = new Map<string, { caller: Caller; until: number }>()
  return async token => {
    if (!KEY.test(token)) return undefined
    const hash = hashOf(token)
    const name = hash.toString('base64')
    const cached = known.get(name)
    if (cached && cached.until > clock()) return cached.caller
    known.delete(name)
    const until = clock() + CACHE_MS
    const [key] = await sql.query<Pick<ApiKey, 'key_id' | 'name' | 'scopes' | 'restaurant_ids'>>(findSql, [
      hash,
    ])
    if (!key) return undefined
    const { key_id, scopes, restaurant_ids } = key
    const caller = {
      id: `key:${key_id}`,
      name: key.name,
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
  select key_id, name, scopes, restaurant_ids
  from api_keys
  where hash = $1
    and revoked_at is null
`
