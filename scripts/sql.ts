import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import pg, { type Client } from 'pg'
import { type Config, loadConfig } from '../src/platform/config.ts'
import { runScript } from './support/run-script.ts'
import { ScriptError } from './support/script-error.ts'
import { describeSqlError } from './support/sql-error.ts'
import { describeResult, type SqlResult } from './support/sql-table.ts'

/** Runs SQL on Comanda's database and prints what comes of it: for those who have no psql at hand. */

const CONNECT_TIMEOUT_MS = 5_000
/** Longest a query may take. */
const STATEMENT_TIMEOUT_MS = 300_000
const EMBEDDED = 'the embedded database'
const NOT_RUNNING = 'the embedded database is not running: `npm start` starts it'

const usage = `Runs SQL on the database in DATABASE_URL, else on the embedded one.

Usage: npm run sql -- "select …"
       npm run sql -- - < file.sql

Several statements, with ; between them, run in one transaction.

Example: npm run sql -- "select status, count(*) from orders group by status"`

await runScript(async () => {
  const args = process.argv.slice(2)
  if (args[0] === '--help' || args[0] === '-h') {
    console.log(usage)
    return 0
  }
  const query = args[0] === '-' ? await readAll(process.stdin) : args.join(' ')
  if (query.trim() === '') throw new ScriptError(`no query was given\n\n${usage}`)
  const client = await connect(loadConfig())
  try {
    for (const result of await run(client, query)) {
      console.log(
        describeResult(result, process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY),
      )
    }
  } finally {
    await client.end().catch(() => undefined)
  }
  return 0
})

/** @throws ScriptError that says what to start or to change; never with the password */
async function connect(config: Config): Promise<Client> {
  const { url, source } = findDatabase(config)
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  })
  // A connection that breaks fails the query that runs; unheard here, it would end the process with a stack.
  client.on('error', () => undefined)
  client.on('notice', ({ severity, message }) => console.error(`${severity?.toLowerCase()}: ${message}`))
  try {
    await client.connect()
    // Not `comanda-…`: the embedded database would not stop with its Comanda while a query is open.
    await client.query(
      `set application_name = 'comanda sql'; set timezone = 'UTC'; set datestyle = 'ISO';
      set statement_timeout = ${STATEMENT_TIMEOUT_MS}`,
    )
    return client
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (source === EMBEDDED && code === 'ECONNREFUSED') throw new ScriptError(NOT_RUNNING)
    throw new ScriptError(`cannot connect to ${source}: ${message || code}`)
  }
}

function findDatabase({ DATABASE_URL, DATA_DIR }: Config): { url: string; source: string } {
  if (DATABASE_URL) return { url: DATABASE_URL, source: 'the database in DATABASE_URL' }
  try {
    return { url: readFileSync(join(DATA_DIR, 'database.url'), 'utf8').trim(), source: EMBEDDED }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new ScriptError(NOT_RUNNING)
    throw new ScriptError(`cannot read ${join(DATA_DIR, 'database.url')}: ${(error as Error).message}`)
  }
}

/**
 * Runs the statements as one string, so that Postgres takes them as one transaction.
 * @returns a result a statement
 */
async function run(client: Client, query: string): Promise<SqlResult[]> {
  try {
    const results: SqlResult | SqlResult[] = await client.query({
      text: query,
      rowMode: 'array',
      types: { getTypeParser: () => (value: string) => value },
    })
    return Array.isArray(results) ? results : [results]
  } catch (error) {
    if (error instanceof pg.DatabaseError) throw new ScriptError(describeSqlError(error, query))
    throw new ScriptError(`the query broke off: ${(error as Error).message}`)
  }
}
