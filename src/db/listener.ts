import type { Logger } from '../platform/log.ts'
import { Connection } from './connection.ts'
import { unavailableReason } from './unavailable-reason.ts'

export interface Listener {
  close(): Promise<void>
}

export interface ListenOptions {
  url: string
  applicationName: string
  channel: string
  /** called with the payload of each NOTIFY */
  onNotification: (payload: string) => void
  /** called after each (re)connection: notifications sent before it are lost, so poll once */
  onConnect: () => void
  log: Logger
}

/**
 * Interval of the check that the connection works: a half-open connection reports no error by
 * itself.
 */
const HEARTBEAT_MS = 10_000
const HEARTBEAT_TIMEOUT_MS = 3_000
const RECONNECT_BASE_MS = 250
const RECONNECT_MAX_MS = 4_000

/**
 * Listens on a dedicated connection until the listener is closed. Reconnects with exponential
 * backoff when the connection is lost or the first attempt fails. Notifications can be lost, so
 * callers poll as well.
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const subscription = new Subscription(options)
  await subscription.begin()
  return subscription
}

class Subscription implements Listener {
  readonly #options: ListenOptions
  #client: Connection | undefined
  #timer: NodeJS.Timeout | undefined
  #failures = 0
  #closed = false

  constructor(options: ListenOptions) {
    this.#options = options
  }

  async begin(): Promise<void> {
    try {
      await this.#connect()
    } catch (error) {
      const { channel, log } = this.#options
      log.warn({ channel, error: unavailableReason(error) }, 'listener not connected; trying again')
      this.#reconnectLater()
    }
  }

  async #connect(): Promise<void> {
    const { url, applicationName, channel, onNotification, onConnect } = this.#options
    const client = new Connection({
      connectionString: url,
      application_name: applicationName,
      connectionTimeoutMillis: HEARTBEAT_TIMEOUT_MS,
      query_timeout: HEARTBEAT_TIMEOUT_MS,
      keepAlive: true,
    })
    client.on('error', error => this.#lost(client, error))
    client.on('end', () => this.#lost(client, new Error('connection ended')))
    client.on('notification', ({ payload }) => onNotification(payload ?? ''))
    try {
      await client.connect()
      await client.query(`listen "${channel}"`)
    } catch (error) {
      discard(client)
      throw error
    }
    if (this.#closed) return discard(client)
    this.#client = client
    this.#failures = 0
    this.#timer = setTimeout(() => void this.#heartbeat(client), HEARTBEAT_MS)
    onConnect()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    const client = this.#client
    this.#client = undefined
    if (client) await client.end()
  }

  async #heartbeat(client: Connection): Promise<void> {
    try {
      await client.query('select 1')
    } catch (error) {
      return this.#lost(client, error)
    }
    if (this.#client === client) this.#timer = setTimeout(() => void this.#heartbeat(client), HEARTBEAT_MS)
  }

  #lost(client: Connection, error: unknown): void {
    if (this.#closed || this.#client !== client) return
    this.#client = undefined
    clearTimeout(this.#timer)
    discard(client)
    this.#options.log.warn(
      { channel: this.#options.channel, error: String(error) },
      'listener lost; reconnecting',
    )
    this.#reconnectLater()
  }

  #reconnectLater(): void {
    const wait = Math.min(RECONNECT_MAX_MS, RECONNECT_BASE_MS * 2 ** this.#failures++)
    this.#timer = setTimeout(() => {
      this.#connect().catch(() => {
        if (!this.#closed) this.#reconnectLater()
      })
    }, wait)
  }
}

/** Ends a connection in any state and ignores its errors. */
function discard(client: Connection): void {
  client.removeAllListeners()
  client.on('error', () => undefined)
  void client.end().catch(() => undefined)
}
