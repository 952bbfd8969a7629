import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { InvalidArgumentError, Option } from '@commander-js/extra-typings'
import { pino } from 'pino'
import { Database } from '../src/db/database.ts'
import { createLogin, type LoginRole, loginGroups } from '../src/ops/roles/create-login.ts'
import { commandLine, nonEmpty } from './support/command-line.ts'
import { databaseUrl } from './support/connect.ts'
import { runScript } from './support/run-script.ts'
import { ScriptError } from './support/script-error.ts'

/**
 * Creates one database login per process, so that a compromised process gets no other permissions.
 */

const STATEMENT_TIMEOUT_MS = 10_000
const PASSWORD_BYTES = 32
/** The maximum length of a role's name in Postgres, minus the longest suffix. */
const MAX_PREFIX_LENGTH = 63 - '_dispatcher'.length

await runScript(async () => {
  const { directory, prefix, mode, rotate } = commandLine(
    'npm run logins --',
    'Creates a database login for each process, with a password of 256 random bits, and writes its connection string to DIRECTORY/<process>/database_url, for DATABASE_URL_FILE. DATABASE_URL must be that of the owner, after `npm run migrate`.\nRunning it again does not change existing passwords.',
    'npm run logins -- --directory secrets',
  )
    .requiredOption('--directory <FOLDER>', 'folder for the files', nonEmpty)
    .option(
      '--prefix <NAME>',
      'prefix of the login names <prefix>_api etc. (default: <database>_login)',
      loginPrefix,
    )
    .addOption(
      new Option('--mode <MODE>', 'permissions of the files, for chmod')
        .argParser(fileMode)
        .default(0o600, '600'),
    )
    .option('--rotate', 'set new passwords; running processes need a restart')
    .parse()
    .opts()
  const owner = new URL(databaseUrl().url)
  const names = prefix ?? `${owner.pathname.slice(1)}_login`
  if (!isPrefix(names))
    throw new ScriptError(`--prefix is required: ${names} cannot begin the name of a login`)
  const database = await Database.open({
    url: owner.href,
    applicationName: 'comanda logins',
    poolCount: 1,
    timeoutMs: STATEMENT_TIMEOUT_MS,
    log: pino({ level: 'silent' }),
  })
  try {
    for (const role of Object.keys(loginGroups) as LoginRole[]) {
      const login = `${names}_${role}`
      const folder = join(directory, role)
      const file = join(folder, 'database_url')
      const known = rotate ? undefined : passwordIn(file)
      const password = known ?? randomBytes(PASSWORD_BYTES).toString('base64url')
      await assertGroupExists(database, role)
      await createLogin(database, role, login, password)
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      replaceFile(file, `${urlFor(owner, login, password)}\n`, mode)
      console.log(`${login}: ${known ? 'unchanged' : 'new password'}, in ${file}`)
    }
    return 0
  } finally {
    await database.close()
  }
})

function loginPrefix(value: string): string {
  if (isPrefix(value)) return value
  throw new InvalidArgumentError(
    `Expected lowercase letters, digits and underscores, at most ${MAX_PREFIX_LENGTH}.`,
  )
}

function isPrefix(name: string): boolean {
  return /^[a-z_][a-z0-9_]*$/.test(name) && name.length <= MAX_PREFIX_LENGTH
}

function fileMode(value: string): number {
  if (/^[0-7]{3}$/.test(value)) return Number.parseInt(value, 8)
  throw new InvalidArgumentError('Expected three octal digits.')
}

/** @throws ScriptError when the migrations have not created the group role */
async function assertGroupExists(database: Database, role: LoginRole): Promise<void> {
  const group = loginGroups[role]
  const rows = await database.query('select from pg_roles where rolname = $1', [group])
  if (rows.length === 0)
    throw new ScriptError(`the role ${group} does not exist: run \`npm run migrate\` first`)
}

/** Returns the password in the file of an earlier run, or undefined when there is none. */
function passwordIn(file: string): string | undefined {
  try {
    return URL.parse(readFileSync(file, 'utf8').trim())?.password || undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new ScriptError(`cannot read ${file}: ${(error as Error).message}`)
  }
}

function urlFor(owner: URL, login: string, password: string): string {
  const url = new URL(owner)
  url.username = login
  url.password = password
  return url.href
}

/** Replaces the file atomically: a reader sees the old content or the new content. */
function replaceFile(file: string, content: string, mode: number): void {
  const unfinished = `${file}.new`
  rmSync(unfinished, { force: true })
  writeFileSync(unfinished, content, { mode: 0o600 })
  chmodSync(unfinished, mode)
  renameSync(unfinished, file)
}
