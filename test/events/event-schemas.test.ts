import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { expect } from 'chai'
import { CloudEvent, HTTP } from 'cloudevents'
import { eventTypes } from '../../src/events/catalogue.ts'
import { toCloudEvent } from '../../src/events/cloud-event.ts'
import { type EventOf, exampleOf } from '../../src/events/event.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { until } from '../support/until.ts'

const PUBLIC_URL = 'https://orders.example.com/comanda'

describe('the JSON Schemas of events', () => {
  let system: TestSystem
  const ajv = new Ajv2020({ allErrors: true, loadSchema: url => load(url) })
  addFormats.default(ajv)

  before(async () => {
    system = await startSystem(undefined, undefined, { PUBLIC_URL })
  })
  after(() => system.stop())

  /** What somebody outside gets at a public URL. */
  async function load(url: string): Promise<Record<string, unknown>> {
    expect(url).to.match(new RegExp(`^${PUBLIC_URL}/schemas/`))
    const { status, headers, body } = await system.api.call('GET', url.slice(PUBLIC_URL.length))
    expect(status, url).to.equal(200)
    expect(headers.get('content-type')).to.match(/^application\/schema\+json\b/)
    expect(headers.get('cache-control')).to.match(/max-age=\d+/)
    return body
  }

  const compiled = (url: string): Promise<ValidateFunction> =>
    Promise.resolve(ajv.getSchema(url) ?? ajv.compileAsync({ $ref: url }))

  async function expectValid(value: unknown, url: string): Promise<void> {
    const validate = await compiled(url)
    expect(validate(value), `${url}: ${ajv.errorsText(validate.errors)}`).to.equal(true)
  }

  const envelopeUrl = (type: string) => `${PUBLIC_URL}/schemas/cloud-events/${type}.json`

  /** As a receiver takes it: from the bytes. */
  async function expectSound(event: EventOf): Promise<void> {
    const sent = toCloudEvent(event, PUBLIC_URL)
    const received = JSON.parse(JSON.stringify(sent)) as typeof sent
    await expectValid(received.data, received.dataschema)
    await expectValid(received, envelopeUrl(received.type))
    // The SDK's own constructor is the strict one of the two ways in.
    expect(new CloudEvent({ ...received }).validate()).to.equal(true)
    const headers = { 'content-type': 'application/cloudevents+json' }
    const parsed = HTTP.toEvent({ headers, body: JSON.stringify(sent) })
    expect(JSON.parse(JSON.stringify(parsed))).to.deep.equal(received)
  }

  it('are valid 2020-12 schemas, identified by the URL that serves them, with a description per field', async () => {
    for (const type of eventTypes) {
      for (const url of [`${PUBLIC_URL}/schemas/${type}.json`, envelopeUrl(type)]) {
        const schema = await load(url)
        expect(schema).to.include({ $id: url, $schema: 'https://json-schema.org/draft/2020-12/schema' })
        expect(await ajv.validateSchema(schema)).to.equal(true)
        expect(schema['title']).to.be.a('string')
        for (const [name, property] of Object.entries(schema['properties'] as object))
          if (name !== 'data') expect(property, `${url} ${name}`).to.have.property('description')
        for (const example of schema['examples'] as unknown[]) await expectValid(example, url)
      }
    }
  })

  it('are 404 for a type that does not exist', async () => {
    for (const path of ['/schemas', '/schemas/order.placed.v2.json', '/schemas/order.placed.v1'])
      expect((await system.api.call('GET', path)).status, path).to.equal(404)
  })

  it('accept unknown properties and reject missing or malformed ones', async () => {
    const { data: payload } = toCloudEvent(exampleOf('order.placed.v1'), PUBLIC_URL)
    const validate = await compiled(`${PUBLIC_URL}/schemas/order.placed.v1.json`)
    expect(validate({ ...payload, table: 7 })).to.equal(true)
    const { order_id: _, ...rest } = payload
    expect(validate(rest)).to.equal(false)
    expect(validate({ ...payload, placed_at: '2026-11-22T18:30:00.000+01:00' })).to.equal(false)
    expect(validate({ ...payload, restaurant_id: 'Trattoria' })).to.equal(false)
  })

  it('accept the example of each event as a CloudEvent', async () => {
    for (const type of eventTypes) await expectSound(exampleOf(type))
  })

  it('accept every event that the system publishes, as the CloudEvents library does', async () => {
    const { api, database } = system
    const { restaurant_id } = await api.addRestaurant('KWD')
    const { menu_item_id } = await api.addItem(restaurant_id, 5, '1.250')
    await api.call('PATCH', `/api/v1/inventory/${menu_item_id}`, { low_stock_threshold: 5 })
    await api.call('PATCH', `/api/v1/restaurants/${restaurant_id}`, { name: 'Osteria' })

    const delivered = await api.place(restaurant_id, [menu_item_id, 1])
    await api.untilStatus(delivered.order_id, 'PREPARING')
    for (const method of ['PUT', 'DELETE'])
      await api.call(method, `/api/v1/orders/${delivered.order_id}/ready`)
    await api.setStatus(delivered.order_id, 'OUT_FOR_DELIVERY')
    await api.setStatus(delivered.order_id, 'DELIVERED')
    const soldOut = await api.place(restaurant_id, [menu_item_id, 6])
    await api.untilStatus(soldOut.order_id, 'CANCELLED')
    for (const reason of ['ordered by mistake', undefined]) {
      const { body } = await api.call('POST', '/api/v1/orders', {
        restaurant_id,
        customer_id: 'customer 42 🍕',
        notes: 'no nuts\n🥜',
        items: [{ menu_item_id, quantity: 1 }],
      })
      await api.untilStatus(String(body['order_id']), 'PREPARING')
      await api.cancel(String(body['order_id']), reason)
    }

    let missing: string[] = []
    const events = await until('every type of the catalogue is made', async () => {
      const rows = await database.query<EventOf>(
        `select event_id, restaurant_id, type, order_id, payload, trace_context
        from outbox_events where restaurant_id = $1 order by event_id`,
        [restaurant_id],
      )
      missing = eventTypes.filter(type => !rows.some(row => row.type === type))
      return missing.length === 0 && rows
    }).catch((error: unknown) => {
      throw new Error(`no step of this test makes ${missing.join(', ')}; add one above`, { cause: error })
    })
    for (const event of events) await expectSound(event)
  })
})
