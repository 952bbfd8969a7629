import { expect } from 'chai'
import { STREAM_TYPE } from '../../src/http/route.ts'
import type { MenuItemReply, RestaurantReply } from '../../src/inventory/stock-contract.ts'
import type { OrderReply, PlacedOrderReply } from '../../src/orders/order-contract.ts'
import { until } from './until.ts'

export interface Reply<Body = Record<string, unknown>> {
  status: number
  headers: Headers
  body: Body
}

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

/** A client of a running API. */
export class ApiClient {
  readonly baseUrl: string

  constructor(baseUrl: string) {
    this.baseUrl = baseUrl
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
      headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
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
    return await this.#expect(201, 'POST', '/api/v1/inventory/add/restaurant', {
      name: 'Trattoria',
      currency,
    })
  }

  async addItem(
    restaurantId: string,
    available_qty: number,
    price: string | number = '9.50',
  ): Promise<MenuItemReply> {
    const path = `/api/v1/inventory/add/${restaurantId}/item`
    return await this.#expect(201, 'POST', path, { name: 'Pizza', price, available_qty })
  }

  async item(menuItemId: string): Promise<MenuItemReply> {
    return await this.#expect(200, 'GET', `/api/v1/inventory/${menuItemId}`)
  }

  async place(
    restaurant_id: string,
    ...lines: [menuItemId: string, quantity: number][]
  ): Promise<PlacedOrderReply> {
    const items = lines.map(([menu_item_id, quantity]) => ({ menu_item_id, quantity }))
    return await this.#expect(202, 'POST', '/api/v1/orders', { restaurant_id, items })
  }

  async order(orderId: string): Promise<OrderReply> {
    return await this.#expect(200, 'GET', `/api/v1/orders/${orderId}`)
  }

  async setStatus(orderId: string, status: string): Promise<OrderReply> {
    return await this.#expect(200, 'PATCH', `/api/v1/orders/${orderId}/status`, { status })
  }

  async cancel(orderId: string, reason?: string): Promise<OrderReply> {
    return await this.#expect(
      200,
      'POST',
      `/api/v1/orders/${orderId}/cancel`,
      reason ? { reason } : undefined,
    )
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

  async #expect<Body>(status: number, method: string, path: string, body?: unknown): Promise<Body> {
    const reply = await this.call<Body>(method, path, body)
    expect(reply.status, JSON.stringify(reply.body)).to.equal(status)
    return reply.body
  }
}
