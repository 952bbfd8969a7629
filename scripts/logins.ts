import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { Database } from '../src/db/database.ts'
import { createLogin, type LoginRole, loginGroups } from '../src/ops/roles/create-login.ts'
import { databaseUrl } from './support/connect.ts'
import { flag, type Option, readOptions, text } from './support/read-options.ts'
import { runScript } from './support/run-script.ts'
import { ScriptError } from './support/script-error.ts'

/** Gives each process a login of its own, so that what is broken into can do what its process can, and no more. */

const STATEMENT_TIMEOUT_MS = 10_000
const PASSWORD_BYTES = 32
/** What Postgres takes for the name of a role, less the longest role and what stands between. */
const MAX_PREFIX_LENGTH = 63 - '_dispatcher'.length

const command = {
  name: 'npm run logins --',
  summary:
    "Makes a database login for each process, with a password of 256 random bits, and writes its connection string to\nDIRECTORY/<process>/database_url, for DATABASE_URL_FILE. DATABASE_URL is the owner's, after `npm run migrate`.\nRun again, it leaves passwords that stand there as they are.",
  example: 'npm run logins -- --directory secrets',
}

const mode: Option<number> = {
  argument: 'MODE',
  help: 'who may read the files, as chmod takes it (600)',
  expects: 'three octal digits',
  fallback: 0o600,
  parse: given =>
    /^[0-7]{3}$/.test(given.at(-1) ?? '') ? Number.parseInt(given.at(-1) ?? '', 8) : undefined,
}

const prefix: Option<string> = {
  argument: 'NAME',
  help: 'what the names of logins begin with: <prefix>_api and so on (the name of the database, with _login)',
  expects: `lowercase letters, digits and underscores, at most ${MAX_PREFIX_LENGTH}`,
  fallback: '',
  parse: given => (isPrefix(given.at(-1) ?? '') ? given.at(-1) : undefined),
}

function isPrefix(name: string): boolean {
  return /^[a-z_][a-z0-9_]*$/.test(name) && name.length <= MAX_PREFIX_LENGTH
}

await runScript(async () => {
  const options = readOptions(
    command,
    {
      directory: text('folder for the files', ''),
      prefix,
      mode,
      rotate: flag('new passwords for all; processes that run need a restart'),
    },
    process.argv.slice(2),
  )
  if (options === null) return 0
  if (options.directory === '') throw new ScriptError('--directory is needed: where the files go')
  const owner = new URL(databaseUrl().url)
  const names = options.prefix || `${owner.pathname.slice(1)}_login`
  if (!isPrefix(names)) throw new ScriptError(`--prefix is needed: ${names} is no good for names of logins`)
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
      const folder = join(options.directory, role)
      const file = join(folder, 'database_url')
      const known = options.rotate ? undefined : passwordIn(file)
      const password = known ?? randomBytes(PASSWORD_BYTES).toString('base64url')
      await requireGroup(database, role)
      await createLogin(database, role, login, password)
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      replaceFile(file, `${urlFor(owner, login, password)}\n`, options.mode)
      console.log(`${login}: ${known ? 'as it was' : 'a new password'}, in ${file}`)
    }
    return 0
  } finally {
    await database.close()
  }
})

/** @throws ScriptError when migrations have not made it */
async function requireGroup(database: Database, role: LoginRole): Promise<void> {
  const group = loginGroups[role]
  const there = await database.query('select from pg_roles where rolname = $1', [group])
  if (there.length === 0) throw new ScriptError(`there is no role ${group}: run \`npm run migrate\` first`)
}

/** @returns undefined when there is none that we have written */
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

/** Whoever reads it finds the old content or the new, never a part. */
function replaceFile(file: string, content: string, mode: number): void {
  const unfinished = `${file}.new`
  rmSync(unfinished, { force: true })
  writeFileSync(unfinished, content, { mode: 0o600 })
  chmodSync(unfinished, mode)
  renameSync(unfinished, file)
}
