import { text as readAll } from 'node:stream/consumers'
import pg, { type Client } from 'pg'
import { commandLine } from './support/command-line.ts'
import { connect } from './support/connect.ts'
import { runScript } from './support/run-script.ts'
import { ScriptError } from './support/script-error.ts'
import { describeSqlError } from './support/sql-error.ts'
import { describeResult, type SqlResult } from './support/sql-table.ts'

/** Runs SQL on Comanda's database and prints the results, without psql. */

await runScript(async () => {
  const program = commandLine(
    'npm run sql --',
    'Runs SQL on the database in DATABASE_URL, or else on the embedded database.\nSeveral statements, separated by semicolons, run in one transaction.',
    'npm run sql -- "select status, count(*) from orders group by status"',
  )
    .argument('[query...]', 'the statements; `-` reads them from stdin')
    // A query may begin with a comment, which looks like an option.
    .allowUnknownOption()
    .passThroughOptions()
    .parse()
  const query = program.args[0] === '-' ? await readAll(process.stdin) : program.args.join(' ')
  if (query.trim() === '') throw new ScriptError(`no query given\n\n${program.helpInformation().trimEnd()}`)
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
 * Runs the statements as one string, so that Postgres runs them in one transaction.
 * @returns one result per statement
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
    throw new ScriptError(`the query failed: ${(error as Error).message}`)
  }
}
