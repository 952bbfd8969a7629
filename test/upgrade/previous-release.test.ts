import { execFileSync, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { ShopNginx } from '../deploy/shop-nginx.ts'
import { hasOpenssl, type TlsClient } from '../deploy/tls-client.ts'
import { type Child, killChildren, startChild } from '../support/child.ts'
import { expectInvariants } from '../support/invariants.ts'
import { hasNginx } from '../support/nginx.ts'
import { blankDatabase, type TestDatabase } from '../support/postgres.ts'
import { asRole, type ProcessRole } from '../support/role-logins.ts'
import { openPool } from '../support/system.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { untilSlowly } from '../support/until.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const COMMIT = readFileSync(join(import.meta.dirname, 'previous-release'), 'utf8').trim()
const CLIENT_COUNT = 2
/** nginx closes a connection after 1,000 requests. */
const ORDERS_PER_CONNECTION = 100
const STOCK = 1_000_000
/** Requests that succeed in each phase before the next one begins. */
const REQUESTS_PER_PHASE = 40

interface Reply {
  restaurant_id: string
  menu_item_id: string
  order_id: string
}

/** Processes of the commit that `previous-release` names are replaced by those of this version. */
describe('a rolling upgrade from the previous release', function () {
  this.timeout(180_000)

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

  if (!hasNginx || !hasOpenssl) {
    console.warn('nginx or openssl is missing: processes of the previous release are not run')
    it('is run under CI', () => expect(process.env['CI']).to.equal(undefined))
    return
  }

  const folder = temporaryFolder('previous')
  let database: TestDatabase
  let shop: ShopNginx

  before(async () => {
    const archive = execFileSync('git', ['archive', COMMIT, 'src', 'migrations', 'package.json'], {
      cwd: ROOT,
      maxBuffer: 100_000_000,
    })
    execFileSync('tar', ['-x', '-C', folder], { input: archive })
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    database = await blankDatabase()
    shop = await ShopNginx.plan()
  })
  after(async () => {
    await shop.stop()
    killChildren()
    await database.drop()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Starts a process of one version. */
  function start(root: string, role: ProcessRole, env: Record<string, string> = {}): Child {
    const own = { DATABASE_URL: asRole(role, database.url), PUBLIC_URL: `${shop.origin}/comanda` }
    return startChild([join(root, 'src', 'main.ts'), role], { ...own, ...env })
  }
  const startApi = (root: string, port: number) => start(root, 'api', shop.environment(port))

  async function migrate(root: string): Promise<void> {
    const migration = startChild([join(root, 'src', 'main.ts'), 'migrate'], { DATABASE_URL: database.url })
    expect(await migration.ended, migration.errors()).to.equal(0)
  }
  const untilLogged = (child: Child, line: RegExp) =>
    untilSlowly(`it logs ${line}`, () => line.test(child.output()))
  const isReady = (child: Child) => untilLogged(child, /is ready/)

  async function stop(child: Child | undefined): Promise<void> {
    child?.signal('SIGTERM')
    expect(await child?.ended, child?.errors()).to.equal(0)
  }

  /** Not by `fetch`, whose responses the suite compares with the documents of this version. */
  async function call(client: TlsClient, method: string, path: string, sent?: object): Promise<Reply> {
    const key = sent === undefined ? {} : { 'idempotency-key': randomUUID() }
    const body = sent && JSON.stringify(sent)
    const { status, body: received } = await client.send(method, `/comanda/api/v1${path}`, key, body)
    expect(status, received).to.be.within(200, 299)
    return JSON.parse(received) as Reply
  }

  it('fails no request under load, and leaves every invariant intact', async () => {
    await migrate(folder)
    const old = {
      apis: shop.ports.map(port => startApi(folder, port)),
      background: [start(folder, 'dispatcher'), start(folder, 'worker')],
    }
    await Promise.all([...old.apis, ...old.background].map(isReady))
    await shop.start()

    const client = shop.connect()
    const { restaurant_id } = await call(client, 'POST', '/inventory/add/restaurant', { name: 'Trattoria' })
    const item = { name: 'Pizza', available_qty: STOCK }
    const { menu_item_id } = await call(client, 'POST', `/inventory/add/${restaurant_id}/item`, item)
    const items = [{ menu_item_id, quantity: 1 }]
    const counts = { placed: 0, cancelled: 0 }
    const upgraded = new AbortController()
    const load = Promise.all(
      Array.from({ length: CLIENT_COUNT }, async () => {
        let own = client
        for (let count = 0; !upgraded.signal.aborted; count++) {
          if (count % ORDERS_PER_CONNECTION === 0) own = shop.connect()
          const { order_id } = await call(own, 'POST', '/orders', { restaurant_id, items })
          counts.placed++
          await call(own, 'GET', `/orders/${order_id}`)
          if (count % 2 === 0) continue
          await call(own, 'POST', `/orders/${order_id}/cancel`, {})
          counts.cancelled++
        }
      }),
    )
    load.catch(() => undefined)
    /** Goes on when the load has succeeded for a while, and fails when a request has failed. */
    async function phase(name: string): Promise<void> {
      const { placed } = counts
      const passed = untilSlowly(
        `orders are placed ${name}`,
        () => counts.placed > placed + REQUESTS_PER_PHASE,
      )
      await Promise.race([passed, load])
    }

    await phase('by the old processes')
    const background = [start(ROOT, 'dispatcher'), start(ROOT, 'worker')]
    for (const child of background) await untilLogged(child, /waiting for `npm run migrate`.*lacks \w+\d{13}/)
    await phase('while new processes wait for the migrations')
    await migrate(ROOT)
    await phase('by the old processes on the new schema')
    await Promise.all(background.map(isReady))
    await phase('while old and new dispatchers and workers run')
    await Promise.all(old.background.map(stop))
    for (const [index, port] of shop.ports.entries()) {
      await stop(old.apis[index])
      await phase('while one API process is away')
      await isReady(startApi(ROOT, port))
      await phase('after an API process was replaced')
    }
    upgraded.abort()
    await load

    const pool = await openPool(database.url)
    try {
      const left = STOCK - counts.placed + counts.cancelled
      await untilSlowly(`${left} portions are left`, async () => {
        const [item] = await pool.query<{ available_qty: number }>('select available_qty from menu_items')
        return item?.available_qty === left
      })
      await expectInvariants(pool)
    } finally {
      await pool.close()
    }
  })
})
