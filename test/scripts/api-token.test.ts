import { expect } from 'chai'
import { createApiKey } from '../../src/http/auth/api-keys.ts'
import { type Scope, scopes } from '../../src/platform/caller.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { spawnScript } from './spawn-script.ts'

describe('scripts that call an API with authentication', () => {
  let system: TestSystem

  before(async () => {
    system = await startSystem(undefined, undefined, { AUTH_MODE: 'api-key' })
  })
  after(() => system.stop())

  async function keyFor(...granted: Scope[]): Promise<string> {
    return (await createApiKey(system.database, { name: 'script', scopes: granted })).key
  }

  const run = (script: string, args: string[], env: Record<string, string>) =>
    spawnScript(script, [...args, '--url', system.api.baseUrl], env).ended

  it('seed with the key in API_TOKEN, and print lines to paste without it', async () => {
    const API_TOKEN = await keyFor(...scopes)
    const { status, stdout, stderr } = await run(
      'seed',
      ['--restaurants', '1', '--items', '2', '--orders', '3'],
      {
        API_TOKEN,
      },
    )
    expect(status, stderr).to.equal(0)
    expect(stdout).to.include(' -H "authorization: Bearer $API_TOKEN" ')
    expect(stdout + stderr).not.to.include(API_TOKEN)
    const [row] = await system.database.query<{ count: number }>('select count(*) from orders')
    expect(row?.count).to.equal(3)
  })

  it('simulate with the key in API_TOKEN', async () => {
    const { status, stdout } = await run('simulate', ['--rate', '10', '--for', '1s'], {
      API_TOKEN: await keyFor(...scopes),
    })
    expect(status, stdout).to.equal(0)
    expect(stdout).to.match(/orders accepted +[1-9]/)
  })

  it('name API_TOKEN when the key is missing, invalid or lacks a scope', async () => {
    const toSet =
      /^comanda: POST .* got 40[13] (?:unauthenticated|forbidden): .*; set API_TOKEN to .*inventory:write\n$/m
    const envs = [{}, { API_TOKEN: 'wrong' }, { API_TOKEN: await keyFor('orders:read') }]
    const runs = envs.flatMap(env => ['seed', 'simulate'].map(script => run(script, [], env)))
    for (const { status, stdout, stderr } of await Promise.all(runs)) {
      expect([status, stdout]).to.deep.equal([1, ''])
      expect(stderr).to.match(toSet)
    }
  })
})
