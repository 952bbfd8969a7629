import { setTimeout as delay } from 'node:timers/promises'
import type { MenuItemReply, RestaurantReply } from '../../src/inventory/stock-contract.ts'
import type { OrderStatus } from '../../src/orders/order.ts'
import type { OrderReply, PlacedOrderReply } from '../../src/orders/order-contract.ts'
import type { Config } from '../../src/platform/config.ts'
import type { AddedWebhookReply } from '../../src/webhooks/webhook-contract.ts'
import { ScriptError } from './script-error.ts'

/** Timeout of a call. */
const CALL_TIMEOUT_MS = 10_000

/**
 * Thrown when a call gets no response: nothing listens there, the connection broke, or the call
 * timed out. Whether the API processed the call is unknown.
 */
export class ApiUnreachable extends ScriptError {
  override name = 'ApiUnreachable'
  /** e.g. `ECONNREFUSED`, `timeout` */
  readonly code: string

  constructor(url: string, cause: unknown) {
    const code = networkCode(cause)
    super(`no response from ${url} (${code}): is Comanda running there? \`npm start\` starts it`, { cause })
    this.code = code
  }
}

/** Thrown when the API responds with a problem document. */
export class ApiProblem extends ScriptError {
  override name = 'ApiProblem'
  readonly status: number
  /** e.g. `illegal-transition`; `http-404` etc. when the response is not from Comanda */
  readonly code: string
  readonly detail: string

  constructor(call: string, status: number, code: string, detail: string) {
    super(`${call} got ${status} ${code}: ${detail}`)
    this.status = status
    this.code = code
    this.detail = detail
  }
}

export interface NewRestaurant {
  name: string
  currency: string
  /** IANA name; optional, default UTC */
  time_zone?: string
}

export interface NewMenuItem {
  name: string
  /** decimal string, or a number, in the restaurant's currency */
  price: string | number
  available_qty: number
  low_stock_threshold?: number
}

export interface NewOrder {
  restaurant_id: string
  items: { menu_item_id: string; quantity: number }[]
  customer_id?: string
  notes?: string
}

/** Scopes that the scripts need. */
const SCOPES = 'orders:read, orders:write, orders:status, inventory:read and inventory:write'

/** Maximum total wait of a call that is rate limited: two minutes. */
const MAX_RATE_LIMIT_WAIT_MS = 120_000

/**
 * A client of the API for scripts. Every call throws ApiUnreachable or ApiProblem. A call that gets
 * 429 is sent again after the response's Retry-After.
 */
export class Api {
  readonly baseUrl: string
  readonly #headers: Record<string, string>

  /** @param token API key or JWT, required when the API authenticates clients */
  constructor(baseUrl: string, token?: string) {
    this.baseUrl = baseUrl
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  }

  /** @throws ScriptError when the API is not ready */
  async checkReady(): Promise<void> {
    const url = `${this.baseUrl}/readyz`
    const { ok, status, text } = await this.#fetch('GET', url)
    if (ok) return
    const detail = (parseJson(text) as { detail?: string } | undefined)?.detail
    throw new ScriptError(`${url} returned ${status}: ${detail ?? 'not a response of Comanda'}`)
  }

  async addRestaurant(restaurant: NewRestaurant): Promise<RestaurantReply> {
    return await this.#call(201, 'POST', '/inventory/add/restaurant', restaurant)
  }

  async addMenuItem(restaurantId: string, item: NewMenuItem): Promise<MenuItemReply> {
    return await this.#call(201, 'POST', `/inventory/add/${restaurantId}/item`, item)
  }

  async readMenuItem(menuItemId: string): Promise<MenuItemReply> {
    return await this.#call(200, 'GET', `/inventory/${menuItemId}`)
  }

  async addWebhook(webhook: {
    url: string
    description: string
    event_types?: string[]
  }): Promise<AddedWebhookReply> {
    return await this.#call(201, 'POST', '/webhooks', webhook)
  }

  async placeOrder(order: NewOrder): Promise<PlacedOrderReply> {
    return await this.#call(202, 'POST', '/orders', order)
  }

  async readOrder(orderId: string): Promise<OrderReply> {
    return await this.#call(200, 'GET', `/orders/${orderId}`)
  }

  async changeStatus(orderId: string, status: OrderStatus): Promise<OrderReply> {
    return await this.#call(200, 'PATCH', `/orders/${orderId}/status`, { status })
  }

  async cancelOrder(orderId: string, reason?: string): Promise<OrderReply> {
    return await this.#call(200, 'POST', `/orders/${orderId}/cancel`, reason ? { reason } : undefined)
  }

  async #call<Reply>(expected: number, method: string, path: string, body?: unknown): Promise<Reply> {
    const { status, text } = await this.#fetchInTurn(method, `${this.baseUrl}/api/v1${path}`, body)
    const reply = parseJson(text)
    if (status === expected && reply !== undefined) return reply as Reply
    const { code = `http-${status}`, detail = 'unexpected response' } = (reply ?? {}) as Partial<
      Record<string, string>
    >
    const toDo = ['unauthenticated', 'forbidden'].includes(code)
      ? `; set API_TOKEN to a token or a key with the scopes ${SCOPES}`
      : ''
    throw new ApiProblem(`${method} ${path}`, status, code, detail + toDo)
  }

  async #fetchInTurn(method: string, url: string, body: unknown) {
    for (let waitedMs = 0; ; ) {
      const reply = await this.#fetch(method, url, body)
      const waitMs = 1_000 * Number(reply.retryAfter ?? 1)
      waitedMs += waitMs
      if (reply.status !== 429 || waitedMs > MAX_RATE_LIMIT_WAIT_MS) return reply
      await delay(waitMs)
    }
  }

  async #fetch(method: string, url: string, body?: unknown) {
    const sent =
      body === undefined
        ? { headers: this.#headers }
        : { body: JSON.stringify(body), headers: { ...JSON_HEADERS, ...this.#headers } }
    try {
      const response = await fetch(url, { method, signal: AbortSignal.timeout(CALL_TIMEOUT_MS), ...sent })
      const { ok, status, headers } = response
      return { ok, status, retryAfter: headers.get('retry-after'), text: await response.text() }
    } catch (error) {
      throw new ApiUnreachable(this.baseUrl, error)
    }
  }
}

const JSON_HEADERS = { 'content-type': 'application/json' }

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * Returns the code of a network error. fetch nests the error in `cause`, and also in an
 * AggregateError when it tried IPv6 and IPv4.
 */
function networkCode(error: unknown): string {
  if (!(error instanceof Error)) return 'network error'
  if (error.name === 'TimeoutError') return 'timeout'
  if ('code' in error && typeof error.code === 'string') return error.code
  return error.cause === undefined ? error.message : networkCode(error.cause)
}

/** Returns the address of the API on this machine, from the API's own configuration. */
export function localApiUrl({ HOST, PORT }: Config): string {
  const anywhere = ['0.0.0.0', '::'].includes(HOST)
  const host = anywhere ? '127.0.0.1' : HOST.includes(':') ? `[${HOST}]` : HOST
  return `http://${host}:${PORT || DEFAULT_PORT}`
}

/** With `PORT=0` the API chooses a port, which scripts cannot know. */
const DEFAULT_PORT = 8000
