import { type Diagnostic, Parser } from '@asyncapi/parser'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import { expect } from 'chai'
import { eventTypes } from '../../src/events/catalogue.ts'
import type { JsonSchema } from '../../src/events/event-schemas.ts'
import type { Config } from '../../src/platform/config.ts'
import { buildAsyncApi } from '../../src/processes/asyncapi.ts'
import { TEST_EVENT } from '../../src/webhooks/deliveries.ts'
import { StreamClient } from '../support/stream-client.ts'
import { startSystem, type TestSystem } from '../support/system.ts'

const configurations: Pick<Config, 'PUBLIC_URL' | 'AUTH_MODE'>[] = [
  { PUBLIC_URL: 'http://localhost:8000', AUTH_MODE: 'none' },
  { PUBLIC_URL: 'https://orders.example.com/comanda', AUTH_MODE: 'jwt' },
  { PUBLIC_URL: 'https://orders.example.com', AUTH_MODE: 'api-key' },
]

describe('the AsyncAPI document', () => {
  /** It hints at 3.1, which adds nothing but bindings for ROS 2. */
  const isTold = ({ code }: Diagnostic) => code !== 'asyncapi-latest-version'

  for (const options of configurations) {
    it(`passes the official parser, with ${options.AUTH_MODE} at ${options.PUBLIC_URL}`, async () => {
      const { document, diagnostics } = await new Parser().parse(JSON.stringify(buildAsyncApi(options)))
      expect(
        diagnostics.filter(isTold).map(({ code, message, path }) => `${code}: ${message} ${path.join('/')}`),
      ).to.deep.equal([])
      if (!document) throw new Error('the parser made no document')
      expect(document.version()).to.equal('3.0.0')
      const messagesOf = (id: string) =>
        document
          .operations()
          .get(id)
          ?.messages()
          .all()
          .map(message => message.name())
      const aboutOrders = eventTypes.filter(type => /^(order|inventory\.deducted)\./.test(type))
      expect(messagesOf('deliverWebhook')).to.have.members([...eventTypes, TEST_EVENT])
      expect(messagesOf('streamRestaurant')).to.have.members(['snapshot', ...eventTypes])
      expect(messagesOf('streamOrder')).to.have.members(['snapshot', ...aboutOrders])
      const api = document.servers().get('api')
      expect(`${api?.protocol()}://${api?.host()}${api?.pathname() ?? ''}`).to.equal(options.PUBLIC_URL)
      expect(api?.security().length, 'ways to identify oneself').to.equal(
        options.AUTH_MODE === 'none' ? 0 : 1,
      )
    })
  }

  function validatorOf({ components: { schemas } }: ReturnType<typeof buildAsyncApi>) {
    const ajv = new Ajv({ allErrors: true, strict: false })
    addFormats.default(ajv)
    ajv.addSchema({ components: { schemas } }, 'document')
    return (value: unknown, at: string): string => {
      const validate = ajv.getSchema(`document${at}`)
      if (!validate) throw new Error(`the document has nothing at ${at}`)
      return validate(value) ? 'valid' : ajv.errorsText(validate.errors)
    }
  }

  it('has a title for each model, so that generators name all of them', () => {
    const { components } = buildAsyncApi({ PUBLIC_URL: 'https://orders.example.com', AUTH_MODE: 'none' })
    const titles: string[] = []
    const anonymous: string[] = []
    const visit = (schema: JsonSchema, at: string) => {
      if (schema.properties || schema.enum) {
        if (schema.title) titles.push(schema.title)
        else anonymous.push(at)
      }
      for (const [name, each] of Object.entries(schema.properties ?? {})) visit(each, `${at}.${name}`)
      for (const each of [schema.items ?? [], schema['anyOf'] ?? []].flat())
        visit(each as JsonSchema, `${at}[]`)
    }
    for (const [name, schema] of Object.entries(components.schemas)) visit(schema as JsonSchema, name)
    visit(components.messageTraits.webhook.headers, 'headers')
    expect(anonymous).to.deep.equal([])
    expect(new Set(titles).size, 'distinct titles').to.equal(titles.length)
    expect(titles.length).to.be.above(20)
  })

  it('has message examples that match their payload schemas', () => {
    const document = buildAsyncApi({ PUBLIC_URL: 'https://orders.example.com', AUTH_MODE: 'none' })
    const validate = validatorOf(document)
    for (const type of [...eventTypes, TEST_EVENT]) {
      const { examples, payload } = document.components.messages[type] as {
        examples: { payload: object }[]
        payload: { $ref: string }
      }
      expect(examples).not.to.deep.equal([])
      for (const example of examples) {
        expect(validate(example.payload, payload.$ref), type).to.equal('valid')
        expect(validate({ ...example.payload, data: {} }, payload.$ref), type).to.include('data/data')
      }
    }
  })

  describe('as served by the API', () => {
    let system: TestSystem

    before(async () => {
      system = await startSystem(['api'], undefined, { PUBLIC_URL: 'https://orders.example.com' })
    })
    after(() => system.stop())

    it('is at /asyncapi.json', async () => {
      const { status, headers, body } = await system.api.call('GET', '/asyncapi.json')
      expect(status).to.equal(200)
      expect(headers.get('content-type')).to.match(/^application\/json\b/)
      expect(body).to.deep.include({ asyncapi: '3.0.0', id: 'https://orders.example.com/asyncapi.json' })
    })

    it('describes the snapshots of streams with the schemas of the API', async () => {
      const { api } = system
      const { body: document } = await api.call<ReturnType<typeof buildAsyncApi>>('GET', '/asyncapi.json')
      const restaurant = await api.addRestaurant()
      const { menu_item_id } = await api.addItem(restaurant.restaurant_id, 5)
      const { order_id } = await api.place(restaurant.restaurant_id, [menu_item_id, 1])
      const order = await api.order(order_id)
      const validate = validatorOf(document)
      expect(validate(order, '#/components/schemas/orderSnapshot')).to.equal('valid')
      expect(validate({ ...order, timeline: [{}] }, '#/components/schemas/orderSnapshot')).to.include(
        'timeline',
      )
      const path = `/api/v1/restaurants/${restaurant.restaurant_id}/stream`
      const stream = await StreamClient.open(api.baseUrl + path)
      const [snapshot] = await stream.untilEvents(1)
      stream.close()
      expect(snapshot?.data).to.deep.include({ open_orders: [order], part: 1, part_count: 1 })
      expect(validate(snapshot?.data, '#/components/schemas/restaurantSnapshot')).to.equal('valid')
    })
  })
})
