import { expect } from 'chai'
import { ConfigurationError } from '../../src/platform/config.ts'
import { demoIds } from '../../src/platform/demo-ids.ts'
import { newIdInSlotOf, slotOf, slotsOf } from '../../src/platform/slots.ts'
import type { ApiService } from '../../src/processes/api.ts'
import { expectProblem } from '../http/expect-problem.ts'
import { type OpenApiDocument, operationsOf } from '../http/operations.ts'
import { send } from '../http/send.ts'
import { createResources, type Ids, operations, prepareIds, requestOf } from '../http/successful-requests.ts'
import { ApiClient } from '../support/api-client.ts'
import { quiet } from '../support/log.ts'
import { addMenu, place } from '../support/pipeline.ts'
import { asRole } from '../support/role-logins.ts'
import { startApi, startRoleProcess } from '../support/start-role.ts'
import { openTestDatabase, startSystem, type TestSystem, testConfig } from '../support/system.ts'

const everySlot = slotsOf('000-fff')

describe('slots of ids', () => {
  let system: TestSystem
  let ids: Ids
  let slot: string
  const others: ApiService[] = []

  before(async () => {
    system = await startSystem(['api', 'operations'])
    ids = await createResources(request => send(system.api.baseUrl, request))
    slot = slotOf(ids.restaurant_id)
  })
  after(async () => {
    for (const api of others) await api.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    await system.stop()
  })

  /** Starts another API process on the same database. */
  async function serving(slots: readonly string[]): Promise<ApiClient> {
    const config = {
      ...testConfig,
      CELL_SLOTS: new Set(slots),
      OPERATIONS_DATABASE_URL: asRole('operations', system.url),
    }
    const api = await startApi(config, system.url, quiet)
    others.push(api)
    return new ApiClient(api.url)
  }

  it('gives an order, a menu item and a restricted webhook the slot of their restaurant', async () => {
    expect([ids.menu_item_id, ids.order_id, ids.webhook_id].map(slotOf)).to.deep.equal([slot, slot, slot])
    const { restaurant: _, delivery: __, action: ___, ...others } = demoIds
    for (const id of Object.values(others)) expect(slotOf(id)).to.equal(slotOf(demoIds.restaurant))
  })

  it('keeps the ids of one slot ascending, and their codes different', () => {
    const made = Array.from({ length: 1_000 }, () => newIdInSlotOf(ids.restaurant_id))
    expect(made.toSorted()).to.deep.equal(made)
    expect(new Set(made.map(id => id.slice(-8, -3))).size).to.be.greaterThan(990)
  })

  it('answers 421 to every operation that names an id of another slot, and serves all others', async () => {
    const { baseUrl } = await serving(everySlot.filter(each => each !== slot))
    const document: OpenApiDocument = (await (await fetch(`${baseUrl}/openapi.json`)).json()) as object
    const documented = operationsOf(document)
      .filter(({ responses }) => 'slot-not-served' in examplesOf(responses[421]?.content))
      .map(({ operationId }) => operationId)
    const refused: string[] = []
    for (const operation of operations) {
      const { successStatus, operationId } = operation
      // The slot is refused before the status of the order is read.
      const own = await prepareIds(
        operation,
        ids,
        request => send(system.api.baseUrl, request),
        async () => undefined,
      )
      const request = requestOf(operation, own)
      const reply = await send(baseUrl, request)
      if (
        // The text of a search may be anything: one database has the orders of one cell.
        operationId === 'searchOps' ||
        ![own.restaurant_id, own.order_id, own.menu_item_id].some(id => JSON.stringify(request).includes(id))
      )
        expect(reply.status, `${operationId}: ${reply.text}`).to.equal(successStatus)
      else {
        expectProblem(reply, { code: 'slot-not-served' })
        expect(JSON.parse(reply.text)).to.include({ slot })
        refused.push(operationId)
      }
    }
    expect(refused).to.include.members([
      'placeOrder',
      'listOrders',
      'getOrder',
      'streamOrder',
      'streamRestaurant',
    ])
    expect(refused).to.include.members([
      'getMenuItem',
      'addMenuItem',
      'addWebhook',
      'changeWebhook',
      'getStats',
    ])
    expect(refused).to.have.members(documented)
  })

  it('answers 421 to HEAD, to a second restaurant of a webhook and to one line of an order', async () => {
    const here = await system.api.addRestaurant()
    const api = await serving(everySlot.filter(each => each !== slotOf(here.restaurant_id)))
    const path = `/api/v1/restaurants/${here.restaurant_id}/stream`
    const head = await send(api.baseUrl, { method: 'HEAD', path })
    expect(head.status).to.equal(421)
    const there = await api.addRestaurant()
    const { menu_item_id } = await api.addItem(there.restaurant_id, 1)
    const webhook = { url: 'https://example.com/', restaurant_ids: [there.restaurant_id, here.restaurant_id] }
    expect((await api.call('POST', '/api/v1/webhooks', webhook)).status).to.equal(421)
    const lines = [menu_item_id, newIdInSlotOf(here.restaurant_id).toUpperCase()]
    const order = await api.call('POST', '/api/v1/orders', {
      restaurant_id: there.restaurant_id,
      items: lines.map(menu_item_id => ({ menu_item_id, quantity: 1 })),
    })
    expect(order.body).to.include({ status: 421, code: 'slot-not-served', slot: slotOf(here.restaurant_id) })
  })

  it('gives new restaurants and webhooks a slot that the process serves', async () => {
    const served = ['00a', 'c01']
    const api = await serving(served)
    const seen = new Set<string>()
    for (let count = 0; count < 20; count++) {
      const { restaurant_id } = await api.addRestaurant()
      expect(served).to.include(slotOf(restaurant_id))
      seen.add(slotOf(restaurant_id))
      const { menu_item_id } = await api.addItem(restaurant_id, 1)
      const { order_id } = await api.place(restaurant_id, [menu_item_id, 1])
      expect([menu_item_id, order_id].map(slotOf)).to.deep.equal([
        slotOf(restaurant_id),
        slotOf(restaurant_id),
      ])
      expect((await api.order(order_id)).status).to.equal('PLACED')
    }
    expect([...seen]).to.have.members(served)
    const { body } = await api.call('POST', '/api/v1/webhooks', { url: 'https://example.com/hooks' })
    expect(served).to.include(slotOf(String(body['webhook_id'])))
  })

  it('makes the API refuse to start while an old order has another slot, but only with CELL_SLOTS', async () => {
    const { database, url, close } = await openTestDatabase()
    try {
      const menu = await addMenu(database, 5)
      const order_id = await place(database, menu)
      const expected = `CELL_SLOTS: order ${order_id} has slot ${slotOf(order_id)}, but its restaurant ${menu.restaurant_id} has slot ${slotOf(menu.restaurant_id)}; unset the variable, or see docs/deployment.md, section Cells`
      const refused = startRoleProcess('api', url, { CELL_SLOTS: '000-fff' })
      expect(await refused.ended).to.equal(1)
      expect(refused.errors()).to.equal(`comanda: ${expected}\n`)
      const api = await startApi(testConfig, url, quiet)
      await api.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    } finally {
      await close()
    }
  })

  it('makes the API refuse to start while an old menu item has another slot', async () => {
    const { database, url, close } = await openTestDatabase()
    try {
      const { restaurant_id } = await addMenu(database)
      const other = newIdInSlotOf(`${restaurant_id.slice(0, -1)}${restaurant_id.endsWith('0') ? 1 : 0}`)
      await database.execute(
        `insert into menu_items (menu_item_id, restaurant_id, name, price_minor, available_qty) values ($1, $2, 'Pizza', 950, 1)`,
        [other, restaurant_id],
      )
      const config = { ...testConfig, CELL_SLOTS: new Set(everySlot) }
      const error = await startApi(config, url, quiet).catch((error: unknown) => error)
      expect(error)
        .to.be.instanceOf(ConfigurationError)
        .with.property('message')
        .that.contains(`menu item ${other}`)
      await database.execute(`update slot_assignment set since = since - interval '2 days'`)
      const api = await startApi(config, url, quiet)
      await api.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    } finally {
      await close()
    }
  })
})

function examplesOf(content: Record<string, { examples?: object }> | undefined): object {
  return content?.['application/problem+json']?.examples ?? {}
}
