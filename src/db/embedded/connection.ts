import pg from 'pg'

/** Name of the database that the server holds. */
export const DATABASE = 'comanda'
/** The superuser of the server, and owner of {@link DATABASE}. */
export const USER = 'comanda'
const CONNECT_TIMEOUT_MS = 2_000
const QUERY_TIMEOUT_MS = 30_000

export function connectionString(port: number, password: string, database: string): string {
  return `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`
}

/** Runs one statement on a connection of its own, on the maintenance database `postgres`. */
export async function queryOnce<Row>(port: number, password: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({
    connectionString: connectionString(port, password, 'postgres'),
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return (await client.query(sql)).rows as Row[]
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Creates {@link DATABASE}, unless it exists. */
export async function createDatabase(port: number, password: string): Promise<void> {
  const found = await queryOnce(port, password, `select 1 from pg_database where datname = '${DATABASE}'`)
  if (found.length > 0) return
  try {
    await queryOnce(port, password, `create database ${DATABASE}`)
  } catch (error) {
    if ((error as { code?: string }).code !== '42P04') throw error // duplicate_database: another process was first
  }
}
