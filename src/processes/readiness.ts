import { setTimeout as delay } from 'node:timers/promises'
import bossPackage from 'pg-boss/package.json' with { type: 'json' }
import type { Database } from '../db/database.ts'
import { describeSchema } from '../db/migrations.ts'
import { unavailableReason } from '../db/unavailable-reason.ts'
import type { ReadinessChecks } from '../http/server/health.ts'
import { describeClockSkew } from '../ops/liveness/clock-skew.ts'
import { type Heartbeat, SILENT_AFTER_SECONDS } from '../ops/liveness/heartbeat.ts'

const CHECK_TIMEOUT_MS = 2_000

/** What readiness depends on besides the schema of the database. */
export interface ReadinessState {
  draining: boolean
  /** of this process; undefined until it has been written once */
  heartbeat?: Heartbeat
}

/**
 * Returns the checks of `/readyz` that concern the process alone. `database` reports the last
 * heartbeat instead of a query: reads succeed on a standby and on a full disk, too.
 */
export function processChecks(state: ReadinessState): ReadinessChecks {
  return {
    drain: { check: async () => (state.draining ? 'this process is draining before it stops' : 'ok') },
    database: { check: async () => state.heartbeat?.health() ?? 'no heartbeat has been written yet' },
    clock: { check: async () => describeClockSkew(), advisory: true },
  }
}

/** Returns the checks that `npm run migrate` of this version has run. */
export function schemaChecks(database: Database): ReadinessChecks {
  return {
    migrations: { check: () => reason(() => describeSchema(database)) },
    queue_schema: { check: () => reason(() => queueSchema(database)) },
  }
}

/** Returns all checks of `/readyz`. */
export function readinessChecks(database: Database, state: ReadinessState): ReadinessChecks {
  return {
    ...processChecks(state),
    ...schemaChecks(database),
    dispatcher: { check: () => reason(() => dispatcherHeartbeat(database)), advisory: true },
  }
}

async function reason(check: () => Promise<string>): Promise<string> {
  const timeout = delay(CHECK_TIMEOUT_MS, 'does not answer', { ref: false })
  return await Promise.race([check().catch(unavailableReason), timeout])
}

async function queueSchema(database: Database): Promise<string> {
  const [installed] = await database.query<{ found: boolean }>(
    `select to_regclass('pgboss.version') is not null as found`,
  )
  if (!installed?.found) return 'does not exist: run `npm run migrate`'
  const [schema] = await database.query<{ version: number }>('select version from pgboss.version')
  const required = bossPackage.pgboss.schema
  return schema && schema.version >= required
    ? 'ok'
    : `is at ${schema?.version}, not ${required}: run \`npm run migrate\``
}

async function dispatcherHeartbeat(database: Database): Promise<string> {
  const [last] = await database.query<{ age_seconds: number | null }>(heartbeatSql)
  const age = last?.age_seconds ?? null
  if (age === null) return 'no dispatcher is running: orders are accepted and wait'
  return age <= SILENT_AFTER_SECONDS
    ? 'ok'
    : `sent its last heartbeat ${age} s ago: orders are accepted and wait`
}

const heartbeatSql = `
  select extract(epoch from now() - max(beat_at))::integer as age_seconds
  from process_heartbeats
  where role = 'dispatcher'
    and stopped_at is null
`
