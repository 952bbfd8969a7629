import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg, { type Client } from 'pg'
import { loadConfig } from '../../src/platform/config.ts'
import { ScriptError } from './script-error.ts'

const CONNECT_TIMEOUT_MS = 5_000
/** Longest a statement may take. */
const STATEMENT_TIMEOUT_MS = 300_000
const EMBEDDED = 'the embedded database'
const NOT_RUNNING = 'the embedded database is not running: `npm start` starts it'

/**
 * A connection to Comanda's database: the one in DATABASE_URL, else the embedded one, while it runs.
 * @param name shown in `pg_stat_activity`; not `comanda-…`: the embedded database would not stop with its Comanda
 * @throws ScriptError that says what to start or to change; never with the password
 */
export async function connect(name: `comanda ${string}`): Promise<Client> {
  const { url, source } = databaseUrl()
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  })
  // A connection that breaks fails the query that runs; unheard here, it would end the process with a stack.
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

/** Where the database is. @throws ScriptError when the embedded one does not run */
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
