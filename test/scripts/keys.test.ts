import { expect } from 'chai'
import { ApiClient } from '../support/api-client.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { spawnScript } from './spawn-script.ts'

describe('npm run keys', () => {
  let system: TestSystem

  before(async () => {
    system = await startSystem(['api'], undefined, { AUTH_MODE: 'api-key' })
  })
  after(() => system.stop())

  const run = (...args: string[]) => spawnScript('keys', args, { DATABASE_URL: system.url }).ended

  async function statusWith(key: string, path: string): Promise<number> {
    const client = new ApiClient(system.api.baseUrl)
    return (await client.call('GET', path, undefined, { authorization: `Bearer ${key}` })).status
  }

  it('creates a key with the permissions of its scopes, prints it once, lists and revokes it', async () => {
    expect((await run()).stdout).to.contain('There are no keys')
    const { status, stdout, stderr } = await run('--create', 'till-1', '--scope', 'orders:read')
    expect(status, stderr).to.equal(0)
    const key = stdout.trim()
    const [keyId = ''] = /[\da-f-]{36}/.exec(stderr) ?? []
    expect(await statusWith(key, '/api/v1/orders')).to.equal(200)
    expect(await statusWith(key, '/api/v1/restaurants')).to.equal(403)

    const list = (await run()).stdout
    expect(list).to.contain('till-1').and.contain(keyId).and.contain('orders:read').and.not.contain(key)
    expect((await run('--revoke', keyId)).stdout).to.contain(keyId)
    const again = await run('--revoke', keyId)
    expect(again.status).to.equal(1)
    expect(again.stderr).to.contain('already revoked')
  })

  it('names the option that is missing or wrong', async () => {
    for (const args of [
      ['--create', 'till-2'],
      ['--create', 'till-2', '--scope', 'everything'],
    ]) {
      const { status, stdout, stderr } = await run(...args)
      expect([status, stdout]).to.deep.equal([1, ''])
      expect(stderr).to.contain('--scope')
    }
  })
})
