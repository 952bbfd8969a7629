import { expect } from 'chai'
import fc from 'fast-check'
import { v7 as uuidv7 } from 'uuid'
import type { ProblemCode } from '../../src/http/problem-entry.ts'
import { expectProblem } from '../http/expect-problem.ts'
import { operationsOf } from '../http/operations.ts'
import { ResponseValidator } from '../http/response-validator.ts'
import { type RawReply, type RawRequest, send } from '../http/send.ts'
import {
  createResources,
  type IdName,
  operationNamed,
  operations,
  succeed,
} from '../http/successful-requests.ts'
import { ApiClient } from '../support/api-client.ts'
import { type FuzzRequest, type IdChoice, requestArbitrary } from './requests.ts'

const CONCURRENT_COUNT = 16
/** Requests generated at a time, to bound the memory of their values. */
const CHUNK_COUNT = 1_000
/** Menu items per restaurant at the start. */
const ITEM_COUNT = 3

export interface FuzzOptions {
  baseUrl: string
  requestCount: number
  seed: number
}

export interface FuzzReport {
  /** Random requests by response status. */
  statuses: Record<number, number>
  /** Accepted inputs that were read back. */
  readBackCount: number
  /** Every wrong response with its request. */
  failures: string[]
}

interface Resource {
  restaurant_id: string
  menu_item_id?: string
}

/**
 * Sends random requests generated from the OpenAPI document. Expects every response to be
 * documented, never a 5xx, and accepted input to read back unchanged. The same seed generates the
 * same requests.
 */
export async function fuzzApi({ baseUrl, requestCount, seed }: FuzzOptions): Promise<FuzzReport> {
  const document = JSON.parse((await send(baseUrl, { method: 'GET', path: '/openapi.json' })).text) as object
  const fuzz = new Fuzz(baseUrl, new ResponseValidator(document))
  const arbitrary = requestArbitrary(document, operationsOf(document))
  await fuzz.prepare()
  for (let made = 0; made < requestCount; made += CHUNK_COUNT) {
    const numRuns = Math.min(CHUNK_COUNT, requestCount - made)
    await fuzz.sendAll(fc.sample(arbitrary, { numRuns, seed: seed + made }))
  }
  return fuzz.report
}

class Fuzz {
  readonly report: FuzzReport = { statuses: {}, readBackCount: 0, failures: [] }
  readonly #baseUrl: string
  readonly #validator: ResponseValidator
  readonly #known: Record<IdName, Map<string, Resource>> = {
    restaurant_id: new Map(),
    menu_item_id: new Map(),
    order_id: new Map(),
    webhook_id: new Map(),
    delivery_id: new Map(),
  }

  constructor(baseUrl: string, validator: ResponseValidator) {
    this.#baseUrl = baseUrl
    this.#validator = validator
  }

  /**
   * Succeeds at every operation on two sets of resources, with further menu items, so that random
   * requests find existing ids.
   */
  async prepare(): Promise<void> {
    const sendAndLearn = async (request: RawRequest) => {
      const reply = await this.#send(request)
      this.#learn(reply)
      return reply
    }
    const untilPreparing = (orderId: string) => new ApiClient(this.#baseUrl).untilStatus(orderId, 'PREPARING')
    for (let set = 0; set < 2; set++) {
      const ids = await createResources(sendAndLearn)
      for (let count = 1; count < ITEM_COUNT; count++)
        await succeed(operationNamed('addMenuItem'), ids, sendAndLearn, untilPreparing)
      for (const operation of operations) {
        if (operation.needsNoWorker) continue
        const reply = await succeed(operation, ids, sendAndLearn, untilPreparing)
        this.#validator.expectDocumented(operation.operationId, reply)
      }
    }
  }

  #send(request: RawRequest): Promise<RawReply> {
    return send(this.#baseUrl, request)
  }

  async sendAll(requests: readonly FuzzRequest[]): Promise<void> {
    const queue = [...requests]
    const workers = Array.from({ length: CONCURRENT_COUNT }, async () => {
      for (let request = queue.shift(); request; request = queue.shift()) await this.#try(request)
    })
    await Promise.all(workers)
  }

  async #try(request: FuzzRequest): Promise<void> {
    const { operation, headers } = request
    const body = this.#withIds(request.body)
    const query = new URLSearchParams(request.query).toString()
    const path =
      operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => this.#pathId(name, request.pathId)) +
      (query && `?${query}`)
    const text = body === undefined ? undefined : JSON.stringify(body)
    const sent = {
      method: operation.method,
      path,
      headers: text === undefined ? headers : { ...headers, 'content-type': 'application/json' },
      ...(text === undefined ? {} : { body: text }),
    }
    try {
      const reply = await this.#send(sent)
      this.report.statuses[reply.status] = (this.report.statuses[reply.status] ?? 0) + 1
      this.#expectDocumented(operation.operationId, reply)
      if (reply.status < 300) await this.#readBack(operation.operationId, body, reply)
    } catch (error) {
      this.report.failures.push(`${JSON.stringify(sent)}\n  ${String(error)}`)
    }
  }

  #expectDocumented(operationId: string, reply: RawReply): void {
    expect(reply.status, reply.text).to.be.below(500)
    if (reply.status >= 400) {
      const { code } = JSON.parse(reply.text) as { code: ProblemCode }
      // A malformed id may turn the path into another one.
      if (code === 'route-not-found' || code === 'method-not-allowed') return expectProblem(reply, { code })
    }
    this.#validator.expectDocumented(operationId, reply)
  }

  async #readBack(operationId: string, sent: unknown, reply: RawReply): Promise<void> {
    // A replayed response has the state of its time, which may have changed since.
    if (reply.headers['idempotency-replayed']) return
    const answer = this.#learn(reply)
    if (!answer) return
    const wanted = sent as Record<string, unknown>
    const place = {
      placeOrder: `/api/v1/orders/${answer['order_id']}`,
      addRestaurant: `/api/v1/restaurants/${answer['restaurant_id']}`,
      addMenuItem: `/api/v1/inventory/${answer['menu_item_id']}`,
    }[operationId]
    if (place === undefined) return
    const { text: stored } = await this.#send({ method: 'GET', path: place })
    const read = JSON.parse(stored) as Record<string, unknown>
    for (const name of ['name', 'customer_id', 'notes', 'restaurant_id', 'currency']) {
      const value = wanted[name]
      // A concurrent request may have changed the name: the response itself has it.
      const has = name === 'name' ? answer[name] : read[name]
      // `null` counts as absent.
      if (value !== undefined && value !== null)
        expect(has, name).to.equal(name.endsWith('restaurant_id') ? value : (value as string).trim())
    }
    if (operationId === 'placeOrder')
      expect(quantitiesOf(read['items'])).to.deep.equal(quantitiesOf(wanted['items']))
    if (operationId === 'addMenuItem') {
      expect(answer).to.include({ available_qty: wanted['available_qty'] })
      expect(Number(answer['price'])).to.equal(Number(wanted['price'] ?? 0))
    }
    this.report.readBackCount++
  }

  /**
   * Adds the id of the returned resource to the known ones.
   * @returns the resource, if there is one
   */
  #learn({ text, headers }: RawReply): Record<string, string> | undefined {
    if (!headers['content-type']?.includes('json')) return undefined
    const answer = JSON.parse(text) as Record<string, string>
    if (Array.isArray(answer)) return undefined
    const { restaurant_id = '', menu_item_id, order_id, webhook_id, delivery_id } = answer
    if (delivery_id) this.#known.delivery_id.set(delivery_id, { restaurant_id })
    else if (webhook_id) this.#known.webhook_id.set(webhook_id, { restaurant_id })
    else if (order_id) this.#known.order_id.set(order_id, { restaurant_id })
    else if (menu_item_id) this.#known.menu_item_id.set(menu_item_id, { restaurant_id, menu_item_id })
    else if (restaurant_id) this.#known.restaurant_id.set(restaurant_id, { restaurant_id })
    return answer
  }

  /** Returns an id by the name of a path parameter. A delivery can be retried like a job. */
  #pathId(name: string, choice: IdChoice): string {
    if (name === 'queue') return typeof choice.pick === 'string' ? choice.pick : 'inventory.return'
    if (name === 'job_id') return this.#id('delivery_id', choice)
    return name in this.#known ? this.#id(name as IdName, choice) : uuidv7()
  }

  #id(kind: IdName, { pick }: IdChoice): string {
    if (typeof pick === 'string') return pick
    const ids = [...this.#known[kind].keys()]
    return ids[pick % Math.max(1, ids.length)] ?? '019a0000-0000-7000-8000-000000000000'
  }

  /** Fills in the ids of a body. Most order lines are of items on the menu of the restaurant. */
  #withIds(body: unknown): unknown {
    if (typeof body !== 'object' || body === null || Array.isArray(body)) return body
    const { restaurant_id, items, ...rest } = body as Record<string, unknown>
    if (restaurant_id === undefined && items === undefined) return body
    const restaurant = isChoice(restaurant_id) ? this.#id('restaurant_id', restaurant_id) : restaurant_id
    const menu = [...this.#known.menu_item_id.values()].filter(item => item.restaurant_id === restaurant)
    const lines = Array.isArray(items)
      ? items.map((line: unknown) => {
          const { menu_item_id: choice } = (line ?? {}) as { menu_item_id?: unknown }
          if (!isChoice(choice)) return line
          const { pick } = choice
          const item = typeof pick === 'number' ? menu[pick % Math.max(1, menu.length)]?.menu_item_id : pick
          return { ...(line as object), menu_item_id: item ?? this.#id('menu_item_id', choice) }
        })
      : items
    return {
      ...rest,
      ...(restaurant === undefined ? {} : { restaurant_id: restaurant }),
      ...(lines === undefined ? {} : { items: lines }),
    }
  }
}

function isChoice(value: unknown): value is IdChoice {
  return typeof value === 'object' && value !== null && 'pick' in value
}

/** Returns the total quantity by menu item. */
function quantitiesOf(items: unknown): Record<string, number> {
  const quantities: Record<string, number> = {}
  for (const { menu_item_id, quantity } of items as { menu_item_id: string; quantity: number }[])
    quantities[menu_item_id] = (quantities[menu_item_id] ?? 0) + quantity
  return quantities
}
