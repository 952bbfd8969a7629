import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { request } from 'undici'
import { killChildren, startChild } from '../support/child.ts'
import { expectInvariants } from '../support/invariants.ts'
import { asRole, type ProcessRole, processRoles } from '../support/role-logins.ts'
import { openTestDatabase } from '../support/system.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { untilSlowly } from '../support/until.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const COMMIT = readFileSync(join(import.meta.dirname, 'previous-release'), 'utf8').trim()
const CLIENT_COUNT = 4
const ORDERS_PER_CLIENT = 50
const STOCK = 10_000

interface Reply {
  restaurant_id: string
  menu_item_id: string
  order_id: string
  available_qty: number
}

/** Processes of the commit that `previous-release` names, on the schema of this version. */
describe('processes of the previous release', function () {
  this.timeout(120_000)

  if (spawnSync('git', ['cat-file', '-e', `${COMMIT}^{commit}`], { cwd: ROOT }).status !== 0) {
    console.warn('the history of git is missing: processes of the previous release are not run')
    it('are missing only from a clone without its whole history', () => {
      const { stdout } = spawnSync('git', ['rev-parse', '--is-shallow-repository'], {
        cwd: ROOT,
        encoding: 'utf8',
      })
      expect(stdout).not.to.equal('false\n')
    })
    return
  }

  const folder = temporaryFolder('previous')
  let database: Awaited<ReturnType<typeof openTestDatabase>>

  before(async () => {
    const archive = execFileSync('git', ['archive', COMMIT, 'src', 'migrations', 'package.json'], {
      cwd: ROOT,
      maxBuffer: 100_000_000,
    })
    execFileSync('tar', ['-x', '-C', folder], { input: archive })
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    database = await openTestDatabase()
  })
  after(async () => {
    killChildren()
    await database.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function start(role: ProcessRole): Promise<string> {
    const child = startChild([join(folder, 'src', 'main.ts'), role], {
      DATABASE_URL: asRole(role, database.url),
      PORT: '0',
    })
    await untilSlowly(`it is ready: ${child.errors()}`, () => /is ready/.test(child.output()))
    return /"url":"(http:[^"]+)"/.exec(child.output())?.[1] ?? ''
  }

  it('serve orders to their end on the schema of this version, without a failed request', async () => {
    const urls = await Promise.all(processRoles.map(start))
    const baseUrl = `${urls[processRoles.indexOf('api')]}/api/v1`
    /** Without `fetch`, whose responses the suite compares with the documents of this version. */
    async function call(method: 'GET' | 'POST', path: string, sent?: object): Promise<Reply> {
      const headers = { 'content-type': 'application/json' }
      const body = sent ? JSON.stringify(sent) : null
      const reply = await request(baseUrl + path, { method, headers, body })
      const text = await reply.body.text()
      expect(reply.statusCode, text).to.be.within(200, 299)
      return JSON.parse(text) as Reply
    }
    const { restaurant_id } = await call('POST', '/inventory/add/restaurant', { name: 'Trattoria' })
    const item = { name: 'Pizza', available_qty: STOCK }
    const { menu_item_id } = await call('POST', `/inventory/add/${restaurant_id}/item`, item)
    const items = [{ menu_item_id, quantity: 1 }]
    const clients = Array.from({ length: CLIENT_COUNT }, async () => {
      for (let count = 0; count < ORDERS_PER_CLIENT; count++) {
        const { order_id } = await call('POST', '/orders', { restaurant_id, items })
        await call('GET', `/orders/${order_id}`)
        if (count % 2 === 0) await call('POST', `/orders/${order_id}/cancel`, {})
      }
    })
    await Promise.all(clients)
    const left = STOCK - (CLIENT_COUNT * ORDERS_PER_CLIENT) / 2
    await untilSlowly(`${left} portions are left`, async () => {
      const { available_qty } = await call('GET', `/inventory/${menu_item_id}`)
      return available_qty === left
    })
    await expectInvariants(database.database)
  })
})
