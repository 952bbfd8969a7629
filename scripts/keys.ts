import { pino } from 'pino'
import { Database } from '../src/db/database.ts'
import { createApiKey, listApiKeys, revokeApiKey } from '../src/http/auth/api-keys.ts'
import { type Scope, scopes } from '../src/platform/caller.ts'
import { databaseUrl } from './support/connect.ts'
import { plainTable } from './support/plain-table.ts'
import { ids, type Option, readOptions, text } from './support/read-options.ts'
import { runScript } from './support/run-script.ts'
import { ScriptError } from './support/script-error.ts'

/** Makes, shows and revokes the keys of AUTH_MODE=api-key. */

const STATEMENT_TIMEOUT_MS = 10_000

const command = {
  name: 'npm run keys --',
  summary:
    'Makes a key for a caller of the API (with --create), revokes keys (with --revoke), or shows those that there are.\nA key is shown once, when it is made, and stored nowhere.',
  example: 'npm run keys -- --create till-1 --scope orders:write --scope orders:read',
}

const scope: Option<Scope[]> = {
  argument: 'SCOPE',
  help: `what it may do: ${scopes.join(', ')}; may be repeated`,
  expects: `one of ${scopes.join(', ')}`,
  fallback: [],
  parse: given => {
    const known = given.filter((each): each is Scope => scopes.includes(each as Scope))
    return known.length === given.length ? [...new Set(known)] : undefined
  },
}

await runScript(async () => {
  const options = readOptions(
    command,
    {
      create: text('a name for the new key: who has it', ''),
      scope,
      restaurant: ids('a restaurant that it is bound to; without one, all'),
      revoke: ids('a key, as the list shows it'),
    },
    process.argv.slice(2),
  )
  if (options === null) return 0
  const database = await Database.open({
    url: databaseUrl().url,
    applicationName: 'comanda keys',
    poolCount: 1,
    timeoutMs: STATEMENT_TIMEOUT_MS,
    log: pino({ level: 'silent' }),
  })
  try {
    if (options.create !== '') await create(database, options.create, options.scope, options.restaurant)
    else if (options.revoke.length > 0) await revoke(database, options.revoke)
    else console.log(await describeKeys(database))
    return 0
  } finally {
    await database.close()
  }
})

async function create(
  database: Database,
  name: string,
  scopes: Scope[],
  restaurants: string[],
): Promise<void> {
  if (scopes.length === 0) throw new ScriptError('--create needs at least one --scope: what the key may do')
  const restaurant_ids = restaurants.length > 0 ? restaurants : undefined
  const { key_id, key } = await createApiKey(database, { name, scopes, restaurant_ids })
  console.error(`Key ${key_id} of ${name}. It is shown this once:`)
  console.log(key)
}

async function revoke(database: Database, keyIds: string[]): Promise<void> {
  for (const keyId of keyIds) {
    if (!(await revokeApiKey(database, keyId)))
      throw new ScriptError(`no key ${keyId} that is not revoked already`)
    console.log(`${keyId} is revoked; within a minute no process takes it any more.`)
  }
}

async function describeKeys(database: Database): Promise<string> {
  const keys = await listApiKeys(database)
  if (keys.length === 0) return 'There are no keys.'
  const rows = keys.map(key => [
    key.key_id,
    key.name,
    key.scopes.join(' '),
    key.restaurant_ids?.join(' ') ?? 'all',
    key.created_at.toISOString(),
    key.revoked_at?.toISOString() ?? '',
  ])
  return plainTable(
    Array.from({ length: 6 }, () => 'left' as const),
    ['key', 'name', 'scopes', 'restaurants', 'made', 'revoked'],
    rows,
  )
}
