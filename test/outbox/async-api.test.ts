import { type Diagnostic, Parser } from '@asyncapi/parser'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import { expect } from 'chai'
import { type AsyncApiOptions, asyncApiDocument } from '../../src/outbox/async-api.ts'
import { eventTypes } from '../../src/outbox/events.ts'
import { startSystem, type TestSystem } from '../support/system.ts'

const version = '1.2.3'
const configurations: AsyncApiOptions[] = [
  { version, publicUrl: 'http://localhost:8000', authMode: 'none' },
  { version, publicUrl: 'https://orders.example.com/comanda', authMode: 'jwt' },
  { version, publicUrl: 'https://orders.example.com', authMode: 'api-key' },
]

describe('the AsyncAPI document', () => {
  /** It hints at 3.1, which adds nothing but bindings for ROS 2. */
  const isTold = ({ code }: Diagnostic) => code !== 'asyncapi-latest-version'

  for (const options of configurations) {
    it(`has nothing that the official parser objects to, with ${options.authMode} at ${options.publicUrl}`, async () => {
      const { document, diagnostics } = await new Parser().parse(JSON.stringify(asyncApiDocument(options)))
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
      const aboutOrders = eventTypes.filter(type => type !== 'inventory.low_stock.v1')
      expect(messagesOf('deliverWebhook')).to.have.members(eventTypes)
      expect(messagesOf('streamRestaurant')).to.have.members(['snapshot', ...eventTypes])
      expect(messagesOf('streamOrder')).to.have.members(['snapshot', ...aboutOrders])
      const api = document.servers().get('api')
      expect(`${api?.protocol()}://${api?.host()}${api?.pathname() ?? ''}`).to.equal(options.publicUrl)
      expect(api?.security().length, 'ways to identify oneself').to.equal(options.authMode === 'none' ? 0 : 1)
    })
  }

  it('has messages whose examples fit their payload', () => {
    const document = asyncApiDocument({
      version,
      publicUrl: 'https://orders.example.com',
      authMode: 'none',
    })
    const ajv = new Ajv({ allErrors: true, strict: false })
    addFormats.default(ajv)
    ajv.addSchema({ components: { schemas: document.components.schemas } }, 'document')
    for (const type of eventTypes) {
      const { examples, payload } = document.components.messages[type] as {
        examples: { payload: unknown }[]
        payload: { $ref: string }
      }
      const validate = ajv.getSchema(`document${payload.$ref}`)
      expect(examples).not.to.deep.equal([])
      for (const example of examples)
        expect(validate?.(example.payload), `${type}: ${ajv.errorsText(validate?.errors)}`).to.equal(true)
      expect(validate?.({ ...(examples[0]?.payload as object), data: {} }), type).to.equal(false)
    }
  })

  describe('as it is served', () => {
    let system: TestSystem

    before(async () => {
      system = await startSystem(['api'], undefined, { PUBLIC_URL: 'https://orders.example.com' })
    })
    after(() => system.stop())

    it('is the document of this API, at /asyncapi.json', async () => {
      const { status, headers, body } = await system.api.call('GET', '/asyncapi.json')
      expect(status).to.equal(200)
      expect(headers.get('content-type')).to.match(/^application\/json\b/)
      expect(body).to.deep.include({ asyncapi: '3.0.0', id: 'https://orders.example.com/asyncapi.json' })
    })
  })
})
