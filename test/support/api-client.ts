import { Api } from '../../scripts/support/api.ts'
import { STREAM_TYPE } from '../../src/http/route.ts'
import type { MenuItemReply, RestaurantReply } from '../../src/inventory/stock-contract.ts'
import type { OrderStatus } from '../../src/orders/order.ts'
import type { OrderReply, PlacedOrderReply } from '../../src/orders/order-contract.ts'
import { until } from './until.ts'

export interface Reply<Body = Record<string, unknown>> {
  status: number
  headers: Headers
  body: Body
}

const JSON_TYPE = { 'content-type': 'application/json' }

/** Returns the text of an event stream up to its first event, because streams do not end. */
async function beginningOf(response: Response): Promise<string> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true })
    if (text.includes('\ndata:')) break
  }
  return text
}

/** A client of a running API: short forms of the calls of `Api`, and `call` for any request. */
export class ApiClient {
  readonly baseUrl: string
  readonly #api: Api
  readonly #headers: Record<string, string>

  /** @param key API key of all requests, unless the API does not authenticate */
  constructor(baseUrl: string, key?: string) {
    this.baseUrl = baseUrl
    this.#api = new Api(baseUrl, key)
    this.#headers = key === undefined ? {} : { authorization: `Bearer ${key}` }
  }

  /** @param body sent as JSON, unless undefined */
  async call<Body = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Reply<Body>> {
    const response = await fetch(this.baseUrl + path, {
      method,
      headers: { ...(body === undefined ? {} : JSON_TYPE), ...this.#headers, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const isStream = response.headers.get('content-type')?.startsWith(STREAM_TYPE)
    const text = isStream && method !== 'HEAD' ? await beginningOf(response) : await response.text()
    const isJson = response.headers.get('content-type')?.includes('json')
    return {
      status: response.status,
      headers: response.headers,
      body: (isJson ? JSON.parse(text) : { text }) as Body,
    }
  }

  async addRestaurant(currency = 'EUR'): Promise<RestaurantReply> {
    return await this.#api.addRestaurant({ name: 'Trattoria', currency })
  }

  async addItem(
    restaurantId: string,
    available_qty: number,
    price: string | number = '9.50',
  ): Promise<MenuItemReply> {
    return await this.#api.addMenuItem(restaurantId, { name: 'Pizza', price, available_qty })
  }

  async item(menuItemId: string): Promise<MenuItemReply> {
    return await this.#api.readMenuItem(menuItemId)
  }

  async place(
    restaurant_id: string,
    ...lines: [menuItemId: string, quantity: number][]
  ): Promise<PlacedOrderReply> {
    const items = lines.map(([menu_item_id, quantity]) => ({ menu_item_id, quantity }))
    return await this.#api.placeOrder({ restaurant_id, items })
  }

  async order(orderId: string): Promise<OrderReply> {
    return await this.#api.readOrder(orderId)
  }

  async setStatus(orderId: string, status: OrderStatus): Promise<OrderReply> {
    return await this.#api.changeStatus(orderId, status)
  }

  async cancel(orderId: string, reason?: string): Promise<OrderReply> {
    return await this.#api.cancelOrder(orderId, reason)
  }

  async untilStatus(orderId: string, status: string): Promise<OrderReply> {
    return await until(`order ${orderId} is ${status}`, async () => {
      const order = await this.order(orderId)
      return order.status === status && order
    })
  }

  async untilStock(menuItemId: string, quantity: number): Promise<void> {
    await until(
      `${quantity} of item ${menuItemId} are left`,
      async () => (await this.item(menuItemId)).available_qty === quantity,
    )
  }
}
