import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Api } from '../support/api.ts'
import { runChecks } from '../support/run-checks.ts'
import { ScriptError } from '../support/script-error.ts'
import { ArchivingServer, DrillFolders } from './archiving-server.ts'
import { type Committed, chooseTime, committedUntil } from './committed-until.ts'
import { DrillClients, DrillReceiver, firstEvent, type Placement, placeWithKey } from './drill-load.ts'
import { createSchema, type DrillRoles, startRoles } from './drill-roles.ts'

const POLL_MS = 20
const TIMEOUT_MS = 60_000
const STOCK = 1_000_000

/** What is measured. */
export interface DrillFigures {
  backupMs: number
  /** from the beginning of the restore until the server accepts writes */
  restoreMs: number
  /** from the beginning of the restore until a new order is PREPARING */
  recoveredMs: number
  /** accepted orders until the server was lost */
  accepted: number
  /** accepted orders that the archive lacks */
  lost: number
  /** from the commit of the last order in the archive until the server was lost */
  lostMs: number
}

/** A backup, a mistake, the loss of the server and two restores, on servers of its own. */
export class RestoreDrill {
  readonly #folders = new DrillFolders()
  readonly figures: Partial<DrillFigures> = {}
  #primary: ArchivingServer | undefined
  #restored: ArchivingServer | undefined
  #roles: DrillRoles | undefined
  #clients: DrillClients | undefined
  #receiver: DrillReceiver | undefined
  #item!: { restaurant_id: string; menu_item_id: string }
  /** the time that the database is restored to */
  #time = ''
  #committed!: Committed
  /** a resume point that the old server issued */
  #resumePoint = ''
  #lostAt = new Date()

  /** Starts a server that archives its WAL, all roles, an endpoint, and clients. */
  async start(): Promise<void> {
    this.#primary = await ArchivingServer.start(this.#folders)
    await createSchema(this.#server.url)
    // Else a resume point of a new database is too old in any case.
    await this.#server.query(`update retention set kept_since = '2000-01-01'`)
    this.#roles = await startRoles(this.#server.url)
    this.#receiver = await DrillReceiver.start()
    const api = new Api(this.#roles.apiUrl)
    await api.addWebhook({ url: this.#endpoint.url, description: 'restore drill' })
    const { restaurant_id } = await api.addRestaurant({ name: 'Restore drill', currency: 'EUR' })
    const item = { name: 'Dish', price: '9.50', available_qty: STOCK }
    const { menu_item_id } = await api.addMenuItem(restaurant_id, item)
    this.#item = { restaurant_id, menu_item_id }
    this.#clients = new DrillClients(this.#roles.apiUrl, this.#item)
  }

  async placeOrders(ms: number): Promise<void> {
    await delay(ms)
    await until('an order is accepted', async () => this.#accepting.accepted.length > 0)
  }

  async backUp(): Promise<void> {
    const count = this.#accepting.accepted.length
    const began = performance.now()
    await this.#server.backUp()
    this.figures.backupMs = performance.now() - began
    if (this.#accepting.accepted.length === count) throw new ScriptError('no order was accepted meanwhile')
  }

  /** Chooses the time to restore to. Notes what was committed until then, and deletes the rest. */
  async makeMistake(ms: number): Promise<void> {
    await this.#server.withClient(async client => {
      this.#time = await chooseTime(client)
      await this.placeOrders(ms)
      this.#committed = await committedUntil(client, this.#time)
      await client.query('delete from stock_movements')
    })
    if ((await violated(this.#server)).length === 0)
      throw new ScriptError('`verify` does not find the mistake')
    this.#resumePoint = (await firstEvent(this.#streamUrl())).id
    // In time, `archive_timeout` would do this.
    await this.#server.archiveNow()
    await this.placeOrders(ms)
  }

  /** Ends the server while orders are placed, and never uses its disk again. */
  async loseServer(): Promise<void> {
    this.#lostAt = new Date()
    this.#server.kill()
    await this.#accepting.stop()
    await this.#roles?.stop()
    this.#roles = undefined
    await this.#server.stop()
    this.figures.accepted = this.#accepting.accepted.length
  }

  /** Restores to the time before the mistake. */
  async restoreToTime(): Promise<void> {
    const began = performance.now()
    const target = { recovery_target_time: this.#time }
    this.#restored = await ArchivingServer.restore(this.#folders, 'point-in-time', target)
    this.figures.restoreMs = performance.now() - began
  }

  /** Before any process has started: exactly what was committed until the time is there. */
  async checkExact(): Promise<string> {
    const { steps, movements, keys } = this.#committed
    const found = await this.#target.withClient(client => committedUntil(client))
    const differences = [
      ...described('lacks the step', without(steps, found.steps)),
      ...described('has the later step', without(found.steps, steps)),
      ...described('lacks the key', without(keys, found.keys)),
      ...described('has the later key', without(found.keys, keys)),
    ]
    if (differences[0]) throw new ScriptError(`the restored database ${differences[0]}`)
    if (found.movements !== movements)
      throw new ScriptError(`the restored ledger has ${found.movements} movements instead of ${movements}`)
    await this.#expectInvariants()
    return `${steps.size} steps of orders, ${movements} stock movements, ${keys.size} Idempotency-Keys`
  }

  /** Starts all roles on the restored server. */
  async startProcesses(): Promise<void> {
    const began = performance.now()
    this.#roles = await startRoles(this.#target.url)
    const { order_id } = await placeWithKey(this.#roles.apiUrl, this.#item, randomUUID())
    await this.#untilPrepared(order_id)
    this.figures.recoveredMs = (this.figures.restoreMs ?? 0) + performance.now() - began
  }

  /** Requests that were answered before the time are replayed; later ones have an effect again. */
  async checkKeys(): Promise<string> {
    const { keys } = this.#committed
    const kept = this.#accepting.accepted.findLast(({ key }) => keys.has(key))
    const lost = this.#accepting.accepted.findLast(({ key }) => !keys.has(key))
    if (!kept || !lost) throw new ScriptError('no order was accepted before the time, or none after it')
    const again = await this.#repeat(kept)
    if (!again.isReplayed || again.order_id !== kept.order_id)
      throw new ScriptError(`the key ${kept.key} is not remembered`)
    const fresh = await this.#repeat(lost)
    if (fresh.isReplayed || fresh.order_id === lost.order_id || fresh.status !== 202)
      throw new ScriptError(`the key ${lost.key} of a lost order is not free again`)
    await this.#untilPrepared(fresh.order_id)
    const lostCount = this.#accepting.accepted.filter(({ key }) => !keys.has(key)).length
    return `${lostCount} orders are to be placed again`
  }

  /** A stream does not continue after a resume point of the lost timeline. */
  async checkStreams(): Promise<void> {
    const { event } = await firstEvent(this.#streamUrl(), this.#resumePoint)
    if (event !== 'snapshot') throw new ScriptError(`a stream resumed with ${event}, not with a snapshot`)
  }

  /** Every event of the restored database arrives. */
  async checkWebhooks(): Promise<string> {
    const eventIds = async () => {
      const rows = await this.#target.query<{ event_id: string }>('select event_id from webhook_deliveries')
      return new Set(rows.map(({ event_id }) => event_id))
    }
    await until('no delivery is pending', async () => {
      const rows = await this.#target.query('select from ops.webhooks where pending > 0')
      return rows.length === 0
    })
    const written = await eventIds()
    const missing = without(written, this.#endpoint.eventIds).size
    if (missing > 0) throw new ScriptError(`${missing} of ${written.size} events did not arrive`)
    const unknown = without(this.#endpoint.eventIds, written).size
    return `the endpoint knows ${unknown} events that no longer exist`
  }

  /** The statistics are counted on, without a rebuild. */
  async checkStatistics(): Promise<void> {
    await until('all events are added to the statistics', async () => {
      const rows = await this.#target.query(
        'select from ops.projections where pending = 0 and failed = 0 and as_of > pg_postmaster_start_time()',
      )
      return rows.length > 0
    })
    await this.#expectInvariants()
  }

  /** Restores everything that the archive has: what the loss of the server costs. */
  async restoreToEnd(): Promise<void> {
    // The server that was restored before archives its own timeline, which is the latest.
    const target = { recovery_target_timeline: 'current' }
    const server = await ArchivingServer.restore(this.#folders, 'whole-archive', target)
    try {
      const rows = await server.query<{ key: string; at: Date }>(
        'select key, pg_xact_commit_timestamp(xmin) as at from idempotency_keys',
      )
      const found = new Set(rows.map(({ key }) => key))
      this.figures.lost = this.#accepting.accepted.filter(({ key }) => !found.has(key)).length
      const last = Math.max(...rows.map(({ at }) => at.getTime()))
      this.figures.lostMs = Math.max(0, this.#lostAt.getTime() - last)
    } finally {
      await server.stop()
    }
  }

  /** Ends everything and deletes all folders. Safe at any time. */
  async end(): Promise<void> {
    await this.#clients?.stop()
    await this.#roles?.stop()
    await this.#receiver?.stop()
    await this.#primary?.stop()
    await this.#restored?.stop()
    this.#folders.delete()
  }

  async #expectInvariants(): Promise<void> {
    const found = await violated(this.#target)
    if (found[0]) throw new ScriptError(`${found.length} invariants are violated, the first is ${found[0]}`)
  }

  async #untilPrepared(orderId: string): Promise<void> {
    const api = new Api(this.#roles?.apiUrl ?? '')
    const isPrepared = async () => (await api.readOrder(orderId)).status === 'PREPARING'
    await until('a new order is PREPARING', isPrepared)
  }

  async #repeat({ key }: Placement) {
    return await placeWithKey(this.#roles?.apiUrl ?? '', this.#item, key)
  }

  get #server(): ArchivingServer {
    return known(this.#primary)
  }

  get #target(): ArchivingServer {
    return known(this.#restored)
  }

  get #accepting(): DrillClients {
    return known(this.#clients)
  }

  get #endpoint(): DrillReceiver {
    return known(this.#receiver)
  }

  #streamUrl(): string {
    return `${this.#roles?.apiUrl}/api/v1/restaurants/${this.#item.restaurant_id}/stream`
  }
}

/** For what an earlier step has set. */
function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('an earlier step is missing')
  return value
}

function without(all: ReadonlySet<string>, some: ReadonlySet<string>): Set<string> {
  return new Set([...all].filter(each => !some.has(each)))
}

function described(what: string, names: ReadonlySet<string>): string[] {
  return [...names].map(name => `${what} ${name}`)
}

/** Returns the names of the invariants that the database violates. */
async function violated(server: ArchivingServer): Promise<string[]> {
  const results = await server.withClient(runChecks)
  return results.filter(({ rows }) => rows.length > 0).map(({ name }) => `ops.${name}`)
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new ScriptError(`timed out waiting until ${what}`)
    await delay(POLL_MS)
  }
}
