import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { DataSource, type MigrationInterface } from 'typeorm'
import { Connection } from './connection.ts'
import { translateSqlError } from './sql-errors.ts'
import type { Sql } from './transaction.ts'

const FOLDER = join(import.meta.dirname, '..', '..', 'migrations')
const TABLE = 'schema_migrations'
/** Key of the `pg_advisory_lock` that serializes migrations of one database. */
const MIGRATION_LOCK = 7_226_632
const LOCK_POLL_MS = 100
/** Names of missing migrations that are shown besides the first one. */
const MAX_SHOWN_COUNT = 5

/** The database lacks migrations or queues of this version. */
export class NotMigrated extends Error {
  override name = 'NotMigrated'
}

type MigrationClass = new () => MigrationInterface

/**
 * Runs `work` while holding the migration lock of the database.
 * @throws DatabaseUnavailable
 */
export async function withMigrationLock<T>(url: string, work: () => Promise<T>): Promise<T> {
  const client = new Connection({ connectionString: url, application_name: 'comanda-migrate-lock' })
  try {
    await client.connect()
    // A session that waits for the lock would keep its snapshot, and `create index concurrently` of
    // the holder of the lock waits for the end of all snapshots.
    while (!(await tryLock(client))) await delay(LOCK_POLL_MS)
    return await work()
  } catch (error) {
    throw translateSqlError(error)
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function tryLock(client: Connection): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock($1) as locked', [
    MIGRATION_LOCK,
  ])
  return rows[0]?.locked === true
}

/**
 * Runs all pending migrations, each in its own transaction, unless it says that it needs none.
 * @returns their names
 */
export async function migrateUp(url: string): Promise<string[]> {
  return await withSource(url, async source => {
    const run = await source.runMigrations({ transaction: 'each' })
    return run.map(({ name }) => name)
  })
}

/** Reverts every migration, newest first, and so deletes all data. For tests and development. */
export async function migrateDown(url: string): Promise<void> {
  await withSource(url, async source => {
    for (let left = (await migrationNames()).length; left > 0; left--)
      await source.undoLastMigration({ transaction: 'each' })
  })
}

/**
 * Marks all migrations as completed. Called when queues, views and grants of this version exist,
 * too.
 */
export async function completeMigrations(sql: Sql): Promise<void> {
  await sql.execute(`update ${TABLE} set completed_at = clock_timestamp() where completed_at is null`)
}

/**
 * Returns `ok`, or what keeps processes of this version from using the database, as a predicate:
 * `lacks X: run …`. A newer schema is `ok`.
 */
export async function describeSchema(sql: Sql): Promise<string> {
  const [table] = await sql.query<{ exists: boolean; readable: boolean | null }>(accessSql)
  if (table?.exists && !table.readable)
    return 'cannot be read by this login: run `npm run migrate`, and grant the login the group of its role'
  const rows = table?.exists ? await sql.query<{ name: string; is_completed: boolean }>(rowsSql) : []
  const done = new Map(rows.map(({ name, is_completed }) => [name, is_completed]))
  const names = await migrationNames()
  const missing = names.filter(name => !done.has(name))
  if (missing.length > 0) return `lacks ${shortList(missing)}: run \`npm run migrate\``
  if (names.every(name => done.get(name))) return 'ok'
  return 'is being migrated: `npm run migrate` has not ended; run it again if it has failed'
}

function shortList(names: readonly string[]): string {
  const [first, ...more] = names
  return [first, ...(more.length > MAX_SHOWN_COUNT ? [`${more.length} more`] : more)].join(', ')
}

const accessSql = `
  select to_regclass('${TABLE}') is not null as exists,
    has_table_privilege(to_regclass('${TABLE}'), 'select') as readable
`

/** The column is missing until the migration that adds it has run. */
const rowsSql = `
  select name, (to_jsonb(migration) ->> 'completed_at') is not null as is_completed
  from ${TABLE} as migration
`

async function withSource<T>(url: string, work: (source: DataSource) => Promise<T>): Promise<T> {
  const source = new DataSource({
    type: 'postgres',
    url,
    applicationName: 'comanda-migrate',
    migrations: await loadMigrations(),
    migrationsTableName: TABLE,
    poolSize: 2,
    extra: { Client: Connection },
  })
  await source.initialize()
  try {
    return await work(source)
  } finally {
    await source.destroy()
  }
}

let loaded: Promise<MigrationClass[]> | undefined

/** Loads the class that each file of `migrations/` exports. */
function loadMigrations(): Promise<MigrationClass[]> {
  loaded ??= Promise.all(
    readdirSync(FOLDER)
      .filter(file => file.endsWith('.ts'))
      .sort()
      .map(async file => Object.values((await import(join(FOLDER, file))) as Record<string, MigrationClass>)),
  ).then(modules => modules.flat())
  return loaded
}

async function migrationNames(): Promise<string[]> {
  return (await loadMigrations()).map(({ name }) => name)
}
