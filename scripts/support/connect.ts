import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg, { type Client } from 'pg'
import { loadConfig } from '../../src/platform/config.ts'
import { ScriptError } from './script-error.ts'

const CONNECT_TIMEOUT_MS = 5_000
const STATEMENT_TIMEOUT_MS = 300_000
const EMBEDDED = 'the embedded database'
const NOT_RUNNING = 'the embedded database is not running: `npm start` starts it'

/**
 * Connects to the database in DATABASE_URL, or else to the embedded database, which must be
 * running.
 * @param name shown in `pg_stat_activity`. It must not begin with `comanda-`: the embedded database
 * keeps running as long as a connection with such a name is open.
 * @throws ScriptError that names what to start or to change, without the password
 */
export async function connect(name: `comanda ${string}`): Promise<Client> {
  const { url, source } = databaseUrl()
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  })
  // A lost connection fails the current query. Without this listener, it would crash the process.
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query(
      `set application_name = '${name}'; set timezone = 'UTC'; set datestyle = 'ISO';
      set statement_timeout = ${STATEMENT_TIMEOUT_MS}`,
    )
    return client
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (source === EMBEDDED && code === 'ECONNREFUSED') throw new ScriptError(NOT_RUNNING)
    throw new ScriptError(`cannot connect to ${source}: ${message || code}`)
  }
}

/**
 * Returns the connection string of the database, and a name of it for messages.
 * @throws ScriptError when the embedded database is not running
 */
export function databaseUrl(): { url: string; source: string } {
  const { DATABASE_URL, DATA_DIR } = loadConfig()
  if (DATABASE_URL) return { url: DATABASE_URL, source: 'the database in DATABASE_URL' }
  const file = join(DATA_DIR, 'database.url')
  try {
    return { url: readFileSync(file, 'utf8').trim(), source: EMBEDDED }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new ScriptError(NOT_RUNNING)
    throw new ScriptError(`cannot read ${file}: ${(error as Error).message}`)
  }
}
