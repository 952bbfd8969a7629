import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ScriptError } from '../support/script-error.ts'
import { ComposeProject, freePort } from './compose-project.ts'
import {
  KEY_COMMAND,
  PREPARE_COMMANDS,
  PRIMARY_COMMAND,
  PROMOTE_COMMANDS,
  ROTATE_COMMANDS,
  STANDBY_COMMANDS,
  START_COMMANDS,
  STOP_COMMAND,
  UPGRADE_COMMANDS,
  VERIFY_COMMAND,
} from './deployment-commands.ts'
import { ProxiedShop, type ShopReply } from './proxied-shop.ts'
import { inSeconds } from './run-drill.ts'

const COMMIT_FILE = join(import.meta.dirname, '..', '..', 'test', 'upgrade', 'previous-release')
export const PREVIOUS_COMMIT = readFileSync(COMMIT_FILE, 'utf8').trim()

const CLIENT_COUNT = 4
/** Below the rate limit of a key, 6,000 requests per minute. */
const PAUSE_MS = 100
const POLL_MS = 200
const TIMEOUT_MS = 120_000
const STOCK = 1_000_000
/** Orders that are accepted in a phase before the next one begins. */
const ORDERS_PER_PHASE = 40
const PROCESSES = ['api', 'api2', 'dispatcher', 'consumer']

/** The previous release in containers behind nginx, under load, and its upgrade to this version. */
export class DeploymentDrill {
  #project: ComposeProject | undefined
  #shop: ProxiedShop | undefined
  readonly #tls = freePort()
  #headers: Record<string, string> = {}
  #item = { restaurant_id: '', menu_item_id: '' }
  #isStopped = false
  #running: Promise<unknown> = Promise.resolve()
  /** set during the failover: requests that are refused with 503 are repeated */
  #repeats = false
  readonly #accepted: string[] = []
  #failure: ScriptError | undefined
  readonly figures = { requests: 0, repeated: 0 }

  async startPrevious(): Promise<void> {
    const project = await ComposeProject.plan()
    this.#project = project
    await project.checkOut(PREVIOUS_COMMIT)
    project.configure({
      COMPOSE_PROFILES: 'proxied',
      PUBLIC_URL: ProxiedShop.url(await this.#tls),
      TRUSTED_PROXY_COUNT: '1',
      AUTH_MODE: 'api-key',
    })
    for (const command of START_COMMANDS) await project.run(command)
    await this.#untilReady()
    for (const command of ROTATE_COMMANDS) await project.run(command)
    await project.run('docker compose restart api2')
    await this.#untilReady()
  }

  /** Starts nginx, adds a restaurant through it, and starts clients. */
  async startClients(): Promise<void> {
    const { ports: apis } = this.#containers
    const key = (await this.#containers.run(KEY_COMMAND)).trim().split('\n').at(-1)
    this.#headers = { authorization: `Bearer ${key}` }
    this.#shop = new ProxiedShop({ tls: await this.#tls, plain: await freePort(), apis })
    await until('nginx listens', async () => {
      const reply = await this.#send('GET', '/orders/none').catch(() => undefined)
      return reply !== undefined
    })
    const restaurant = { name: 'Deployment drill', currency: 'EUR' }
    const { restaurant_id = '' } = await this.#call('/inventory/add/restaurant', restaurant)
    const item = { name: 'Dish', price: '9.50', available_qty: STOCK }
    const { menu_item_id = '' } = await this.#call(`/inventory/add/${restaurant_id}/item`, item)
    this.#item = { restaurant_id, menu_item_id }
    this.#running = Promise.all(Array.from({ length: CLIENT_COUNT }, () => this.#placeOrders()))
    await this.#phase()
  }

  async killApi(): Promise<void> {
    await this.#containers.run('docker compose kill api2')
    await this.#phase()
    await this.#containers.run('docker compose up -d --no-deps api2')
    await this.#untilReady()
    await this.#phase()
  }

  /** Adds a synchronous standby to the running database. */
  async addStandby(): Promise<void> {
    this.#containers.configure({ COMPOSE_PROFILES: 'proxied,standby', ...dataOf('postgres', 'standby') })
    for (const command of [...PREPARE_COMMANDS, ...STANDBY_COMMANDS]) await this.#containers.run(command)
    await this.#untilSynchronous()
    await this.#phase()
  }

  /** Kills the primary, and follows the page. @returns the figures of the failover */
  async failOver(): Promise<string> {
    this.#repeats = true
    const killed = performance.now()
    await this.#containers.run('docker compose kill postgres')
    for (const command of PROMOTE_COMMANDS) await this.#containers.run(command)
    const acknowledged = [...this.#accepted]
    this.#containers.configure(dataOf('standby', 'postgres'))
    const moved = performance.now()
    await this.#containers.run(PRIMARY_COMMAND)
    await this.#untilAccepted(1)
    const healthy = performance.now()
    await this.#untilReady()
    await this.#phase()
    this.#repeats = false

    for (const id of acknowledged) await this.#untilAnswered('GET', `/orders/${id}`)
    for (const command of STANDBY_COMMANDS) await this.#containers.run(command)
    await this.#untilSynchronous()
    await this.#containers.run(VERIFY_COMMAND)
    for (const name of PROCESSES) {
      const counts = await this.#containers.inspect(name, '.RestartCount')
      if (counts.some(count => count !== '0')) throw new ScriptError(`a process of ${name} was restarted`)
    }
    return [
      `an order was accepted ${inSeconds(healthy - killed)} after the kill`,
      `${inSeconds(healthy - moved)} after the start of the new primary`,
      `${this.figures.repeated} requests were refused with 503, and succeeded when they were repeated`,
      `all ${acknowledged.length} orders accepted before are there`,
    ].join('; ')
  }

  /** Takes the files of this version, and follows the page. */
  async upgrade(): Promise<string> {
    await this.#containers.checkOutThis()
    for (const command of UPGRADE_COMMANDS) {
      await this.#containers.run(command)
      await this.#phase()
    }
    const images = await Promise.all(PROCESSES.map(name => this.#containers.inspect(name, '.Image')))
    if (new Set(images.flat()).size !== 1) throw new ScriptError('a container has another image')
    return `${this.figures.requests} requests until now, none failed`
  }

  /** All containers become healthy, and every accepted order has its effect once. */
  async check(): Promise<string> {
    this.#isStopped = true
    await this.#running
    if (this.#failure) throw this.#failure
    await until('the last order is PREPARING', async () => {
      const { body } = await this.#send('GET', `/orders/${this.#accepted.at(-1)}`)
      return body['status'] === 'PREPARING'
    })
    for (const name of PROCESSES)
      await until(`${name} is healthy`, async () => {
        const states = await this.#containers.inspect(name, '.State.Health.Status')
        return states.every(state => state === 'healthy')
      })
    const sql = `select ${STOCK} - available_qty from menu_items where menu_item_id = '${this.#item.menu_item_id}'`
    await until('each accepted order has taken one portion', async () => {
      return Number(await this.#query(sql)) === this.#accepted.length
    })
    await this.#containers.run(VERIFY_COMMAND)
    return `${this.#accepted.length} orders, no violated invariant`
  }

  /** Every process ends by itself within its time, with exit code 0. */
  async stop(): Promise<void> {
    await this.#containers.run('docker compose stop api api2 dispatcher consumer')
    for (const name of PROCESSES) {
      const codes = await this.#containers.inspect(name, '.State.ExitCode')
      if (codes.some(code => code !== '0')) throw new ScriptError(`${name} ended with ${codes.join(', ')}`)
    }
    await this.#containers.run(STOP_COMMAND)
  }

  /** Ends everything and deletes it. Safe at any time. */
  async end(): Promise<void> {
    this.#isStopped = true
    await this.#running
    await this.#shop?.stop()
    await this.#project?.delete()
  }

  async #placeOrders(): Promise<void> {
    const { restaurant_id, menu_item_id } = this.#item
    while (!this.#isStopped && !this.#failure) {
      try {
        const order = { restaurant_id, items: [{ menu_item_id, quantity: 1 }] }
        const { order_id = '' } = await this.#call('/orders', order)
        this.#accepted.push(order_id)
        await this.#untilAnswered('GET', `/orders/${order_id}`)
      } catch (error) {
        this.#failure ??= new ScriptError(`a request failed: ${String(error)}`)
      }
      await delay(PAUSE_MS)
    }
  }

  async #call(path: string, sent: object): Promise<Record<string, string>> {
    return await this.#untilAnswered('POST', path, { 'idempotency-key': randomUUID() }, sent)
  }

  async #untilAnswered(method: 'GET' | 'POST', path: string, headers = {}, sent?: object) {
    for (;;) {
      const { status, body } = await this.#send(method, path, headers, sent)
      if (status < 300) return body
      if (!this.#repeats || status !== 503)
        throw new ScriptError(`${method} ${path} got ${status} ${JSON.stringify(body)}`)
      this.figures.repeated++
      await delay(POLL_MS)
    }
  }

  async #send(method: 'GET' | 'POST', path: string, headers = {}, sent?: object): Promise<ShopReply> {
    this.figures.requests++
    if (!this.#shop) throw new Error('nginx is not started')
    return await this.#shop.call(method, path, { ...this.#headers, ...headers }, sent)
  }

  /** Waits until this phase of the drill has had its orders. */
  async #phase(): Promise<void> {
    await this.#untilAccepted(ORDERS_PER_PHASE)
  }

  /** Waits until so many more orders are accepted. @throws ScriptError when a request has failed */
  async #untilAccepted(count: number): Promise<void> {
    const target = this.#accepted.length + count
    await until('orders are accepted', async () => {
      if (this.#failure) throw this.#failure
      return this.#accepted.length >= target
    })
  }

  async #untilSynchronous(): Promise<void> {
    const sql = `select count(*) from pg_stat_replication where sync_state = 'sync'`
    await until('the standby is synchronous', async () => (await this.#query(sql)) === '1')
  }

  async #query(sql: string): Promise<string> {
    const command = `docker compose exec -T postgres psql -U comanda -Atc "${sql}"`
    return (await this.#containers.run(command)).trim()
  }

  async #untilReady(): Promise<void> {
    for (const command of UPGRADE_COMMANDS.filter(each => each.startsWith('until')))
      await this.#containers.run(command)
  }

  get #containers(): ComposeProject {
    if (!this.#project) throw new Error('the containers are not started')
    return this.#project
  }
}

const dataOf = (primary: string, standby: string) => ({
  PRIMARY_DATA: `${primary}-data`,
  STANDBY_DATA: `${standby}-data`,
})

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new ScriptError(`timed out waiting until ${what}`)
    await delay(POLL_MS)
  }
}
