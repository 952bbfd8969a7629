import type { ClientBase } from 'pg'
import type { Sql } from './transaction.ts'

/**
 * The server ends a session after this idle time in a transaction: a frozen process must not hold
 * locks.
 */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 3_000
/** Far above the duration of any transaction of ours. */
export const TRANSACTION_TIMEOUT_MS = 60_000

/**
 * Forces index scans and generic plans. Every statement on these connections, pg-boss's included,
 * is written for an index and has the same best plan for all values. Without these settings, a plan
 * that was cached while a table was empty (a fresh migration, then an analyze) keeps scanning or
 * sorting it.
 */
const indexPlansOnly = {
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  enable_sort: 'off',
  jit: 'off',
  plan_cache_mode: 'force_generic_plan',
}

/** Settings by name, with values as in `pg_settings`. */
export type SessionSettings = Readonly<Record<string, string>>

/** Returns the settings that every session of a pool needs. @param timeoutMs of a statement */
export function sessionSettings(timeoutMs: number): SessionSettings {
  return {
    statement_timeout: String(timeoutMs),
    idle_in_transaction_session_timeout: String(IDLE_IN_TRANSACTION_TIMEOUT_MS),
    transaction_timeout: String(TRANSACTION_TIMEOUT_MS),
    ...indexPlansOnly,
  }
}

/**
 * Applies settings to a new session, in one statement. They are not sent as startup parameters,
 * because PgBouncer rejects those or drops them silently.
 */
export async function applySettings(client: ClientBase, settings: SessionSettings): Promise<void> {
  await client.query('select set_config(key, value, false) from jsonb_each_text($1)', [
    JSON.stringify(settings),
  ])
}

/** Returns the settings that do not hold in a session, by name. */
export async function missingSettings(sql: Sql, settings: SessionSettings): Promise<SessionSettings> {
  const rows = await sql.query<{ name: string; setting: string }>(
    'select name, setting from pg_settings where name = any($1::text[])',
    [Object.keys(settings)],
  )
  const current = new Map(rows.map(({ name, setting }) => [name, setting]))
  return Object.fromEntries(Object.entries(settings).filter(([name, value]) => current.get(name) !== value))
}
