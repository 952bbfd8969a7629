import { text as readAll } from 'node:stream/consumers'
import pg, { type Client } from 'pg'
import { connect } from './support/connect.ts'
import { runScript } from './support/run-script.ts'
import { ScriptError } from './support/script-error.ts'
import { describeSqlError } from './support/sql-error.ts'
import { describeResult, type SqlResult } from './support/sql-table.ts'

/**
 * Runs SQL on Comanda's database and prints what comes of it: for those who have no psql at hand.
 */

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
  const client = await connect('comanda sql')
  client.on('notice', ({ severity, message }) => console.error(`${severity?.toLowerCase()}: ${message}`))
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
