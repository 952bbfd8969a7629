import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import { readSecretFiles } from '../src/platform/config.ts'
import { commandLine, nonEmpty, wholeNumber } from './support/command-line.ts'
import { connect, databaseUrl } from './support/connect.ts'
import { runScript } from './support/run-script.ts'
import { ScriptError } from './support/script-error.ts'

/**
 * Serves pg-boss's dashboard for Comanda's queues. By default, the dashboard would listen on all
 * addresses and require no password.
 */

const DEFAULT_PORT = 3_000
const PASSWORD = 'PGBOSS_DASHBOARD_AUTH_PASSWORD'
const PASSWORD_BYTES = 12

await runScript(async () => {
  const { port, host, allowChanges } = commandLine(
    'npm run dashboard --',
    "Serves pg-boss's dashboard for the queues in DATABASE_URL, or else in the embedded database.\nThe password is PGBOSS_DASHBOARD_AUTH_PASSWORD, or the content of the file that PGBOSS_DASHBOARD_AUTH_PASSWORD_FILE names, or else a new one. The dashboard is read-only by default.",
    'npm run dashboard -- --port 3001',
  )
    .option('--port <N>', 'TCP port', wholeNumber(1, 65_535), DEFAULT_PORT)
    .option('--host <ADDRESS>', 'address to listen on', nonEmpty, '127.0.0.1')
    .option(
      '--allow-changes',
      'enable the buttons; their changes are not recorded in ops_audit, unlike those of `npm run ops`',
    )
    .parse()
    .opts()
  await assertQueuesExist()
  await assertPortIsFree(port, host)
  const username = process.env['PGBOSS_DASHBOARD_AUTH_USERNAME'] || 'operator'
  const source = process.env[`${PASSWORD}_FILE`] || PASSWORD
  const configured = readSecretFiles([PASSWORD], process.env)[PASSWORD] ?? process.env[PASSWORD]
  const password = configured || randomBytes(PASSWORD_BYTES).toString('base64url')
  // The dashboard reads its options from the environment and listens as soon as it is imported.
  Object.assign(process.env, {
    DATABASE_URL: databaseUrl().url,
    HOST: host,
    PORT: String(port),
    PGBOSS_DASHBOARD_AUTH_USERNAME: username,
    [PASSWORD]: password,
    PGBOSS_DASHBOARD_READ_ONLY: allowChanges ? '0' : '1',
  })
  await import(import.meta.resolve('@pg-boss/dashboard/build/server.js'))
  console.log(`Sign in as ${username}, password: ${configured ? `as in ${source}` : password}`)
  return 0
})

/** @throws ScriptError when the database cannot be reached or has no queues */
async function assertQueuesExist(): Promise<void> {
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

/** @throws ScriptError when the address cannot be listened on */
async function assertPortIsFree(port: number, host: string): Promise<void> {
  const probe = createServer()
  try {
    await new Promise<void>((done, fail) => probe.once('error', fail).listen(port, host, done))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ScriptError(`cannot listen on ${host}:${port} (${code}): choose another --port or --host`)
  }
  await new Promise(done => probe.close(done))
}
