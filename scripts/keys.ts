import { InvalidArgumentError, Option } from '@commander-js/extra-typings'
import { pino } from 'pino'
import { Database } from '../src/db/database.ts'
import { createApiKey, listApiKeys, revokeApiKey } from '../src/http/auth/api-keys.ts'
import { type Scope, scopes } from '../src/platform/caller.ts'
import { commandLine, nonEmpty, uuids } from './support/command-line.ts'
import { databaseUrl } from './support/connect.ts'
import { plainTable } from './support/plain-table.ts'
import { runScript } from './support/run-script.ts'
import { ScriptError } from './support/script-error.ts'

/** Creates, lists and revokes the API keys of AUTH_MODE=api-key. */

const STATEMENT_TIMEOUT_MS = 10_000
/** What the board needs to show orders and stock, and to move orders on. */
const screenScopes: readonly Scope[] = ['orders:read', 'orders:status', 'inventory:read']

await runScript(async () => {
  const {
    create,
    scope = [],
    screen = false,
    restaurant,
    revoke = [],
  } = commandLine(
    'npm run keys --',
    'Creates an API key (--create), revokes keys (--revoke), or lists all keys.\nA key is printed once, when it is created. Only its hash is stored.',
    'npm run keys -- --create till-1 --scope orders:write --scope orders:read',
  )
    .option('--create <NAME>', 'create a key for this client', nonEmpty)
    .addOption(
      new Option('--scope <SCOPE>', `permission: ${scopes.join(', ')}; may be repeated`).argParser<
        Scope[] | undefined
      >(addScope),
    )
    .option('--screen', `the permissions of a screen: ${screenScopes.join(', ')}`)
    .addOption(
      new Option(
        '--restaurant <ID>',
        'restrict the key to this restaurant; may be repeated (default: no restriction)',
      ).argParser<string[] | undefined>(uuids),
    )
    .addOption(
      new Option('--revoke <ID>', 'revoke this key; may be repeated').argParser<string[] | undefined>(uuids),
    )
    .parse()
    .opts()
  const database = await Database.open({
    url: databaseUrl().url,
    applicationName: 'comanda keys',
    poolCount: 1,
    timeoutMs: STATEMENT_TIMEOUT_MS,
    log: pino({ level: 'silent' }),
  })
  try {
    if (create !== undefined) {
      const granted = screen ? [...new Set([...screenScopes, ...scope])] : scope
      await createKey(database, create, granted, restaurant)
    } else if (revoke.length > 0) await revokeKeys(database, revoke)
    else console.log(await describeKeys(database))
    return 0
  } finally {
    await database.close()
  }
})

function addScope(value: string, previous: readonly Scope[] = []): Scope[] {
  const scope = scopes.find(each => each === value)
  if (scope === undefined) throw new InvalidArgumentError(`Expected one of ${scopes.join(', ')}.`)
  return [...new Set([...previous, scope])]
}

async function createKey(
  database: Database,
  name: string,
  scopes: Scope[],
  restaurant_ids: string[] | undefined,
): Promise<void> {
  if (scopes.length === 0) throw new ScriptError('--create needs --screen or at least one --scope')
  const { key_id, key } = await createApiKey(database, { name, scopes, restaurant_ids })
  console.error(`Created key ${key_id} for ${name}. It cannot be shown again:`)
  console.log(key)
}

async function revokeKeys(database: Database, keyIds: readonly string[]): Promise<void> {
  for (const keyId of keyIds) {
    if (!(await revokeApiKey(database, keyId)))
      throw new ScriptError(`key ${keyId} does not exist, or is already revoked`)
    console.log(`Revoked ${keyId}. Running processes stop accepting it within a minute.`)
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
    ['key', 'name', 'scopes', 'restaurants', 'created', 'revoked'],
    rows,
  )
}
