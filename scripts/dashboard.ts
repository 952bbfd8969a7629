import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import { readSecretFiles } from '../src/platform/config.ts'
import { connect, databaseUrl } from './support/connect.ts'
import { flag, readOptions, text, wholeNumber } from './support/read-options.ts'
import { runScript } from './support/run-script.ts'
import { ScriptError } from './support/script-error.ts'

/** pg-boss's own dashboard on Comanda's queues. Left to itself it would listen everywhere, and ask nobody who they are. */

const command = {
  name: 'npm run dashboard --',
  summary:
    "Serves pg-boss's dashboard on the queues of DATABASE_URL, else of the embedded database, behind a password:\nthe one in PGBOSS_DASHBOARD_AUTH_PASSWORD, or in the file that PGBOSS_DASHBOARD_AUTH_PASSWORD_FILE names,\nelse a new one. It shows, and changes nothing.",
  example: 'npm run dashboard -- --port 3001',
}

const DEFAULT_PORT = 3_000
const PASSWORD = 'PGBOSS_DASHBOARD_AUTH_PASSWORD'
const PASSWORD_BYTES = 12

await runScript(async () => {
  const options = readOptions(
    command,
    {
      port: wholeNumber('TCP port', DEFAULT_PORT, 1, 65_535),
      host: text('address to listen on', '127.0.0.1'),
      'allow-changes': flag(
        'its buttons work; what they do stands in no audit: `npm run ops` is the better way',
      ),
    },
    process.argv.slice(2),
  )
  if (options === null) return 0
  const { port, host } = options
  await requireQueues()
  await requirePort(port, host)
  const username = process.env['PGBOSS_DASHBOARD_AUTH_USERNAME'] || 'operator'
  const source = process.env[`${PASSWORD}_FILE`] || PASSWORD
  const given = readSecretFiles([PASSWORD], process.env)[PASSWORD] ?? process.env[PASSWORD]
  const password = given || randomBytes(PASSWORD_BYTES).toString('base64url')
  // It takes all of its options from the environment, and listens as soon as it is loaded.
  Object.assign(process.env, {
    DATABASE_URL: databaseUrl().url,
    HOST: host,
    PORT: String(port),
    PGBOSS_DASHBOARD_AUTH_USERNAME: username,
    [PASSWORD]: password,
    PGBOSS_DASHBOARD_READ_ONLY: options['allow-changes'] ? '0' : '1',
  })
  await import(import.meta.resolve('@pg-boss/dashboard/build/server.js'))
  console.log(`Sign in as ${username}, password: ${given ? `as in ${source}` : password}`)
  return 0
})

/** @throws ScriptError when the database is away or has no queues */
async function requireQueues(): Promise<void> {
  const client = await connect('comanda dashboard')
  try {
    const { rows } = await client.query(
      `select from pg_tables where (schemaname, tablename) = ('pgboss', 'job')`,
    )
    if (rows.length === 0) throw new ScriptError('the database has no queues: run `npm run migrate` first')
  } finally {
    await client.end()
  }
}

/** @throws ScriptError when nobody can listen there */
async function requirePort(port: number, host: string): Promise<void> {
  const probe = createServer()
  try {
    await new Promise<void>((done, fail) => probe.once('error', fail).listen(port, host, done))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ScriptError(`cannot listen on ${host}:${port} (${code}); --port and --host choose another`)
  }
  await new Promise(done => probe.close(done))
}
