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

/** Returns the names of the migrations that have not run on this database. */
export async function pendingMigrations(sql: Sql): Promise<string[]> {
  const [table] = await sql.query<{ found: boolean }>(`select to_regclass('${TABLE}') is not null as found`)
  const done = table?.found ? await sql.query<{ name: string }>(`select name from ${TABLE}`) : []
  const names = new Set(done.map(({ name }) => name))
  return (await migrationNames()).filter(name => !names.has(name))
}

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
