import { expect } from 'chai'
import { openApiDocument } from '../../src/http/openapi/openapi.ts'
import { STREAM_TYPE } from '../../src/http/route.ts'
import { orderStatuses } from '../../src/orders/order.ts'
import { apiRoutes } from '../../src/processes/api.ts'
import { fieldsOf, type OpenApiDocument, operationsOf, type Schema } from './operations.ts'
import { ResponseValidator } from './response-validator.ts'

describe('the OpenAPI document', () => {
  // The routes are described, not called, so they need no dependencies.
  const routes = apiRoutes({} as never)
  const document: OpenApiDocument = openApiDocument(routes, '1.2.3')
  const operations = operationsOf(document)
  const { schemas } = (document as { components: { schemas: Record<string, Schema> } }).components
  const validator = new ResponseValidator(document)

  it('is OpenAPI 3.1 with the given version', () => {
    expect(document)
      .to.have.property('openapi')
      .that.matches(/^3\.1\.\d+$/)
    expect(document).to.have.property('info').that.includes({ title: 'Comanda', version: '1.2.3' })
  })

  it('has exactly one operation per route', () => {
    expect(operations.map(({ method, path }) => `${method} ${path}`)).to.have.members(
      routes.map(({ method, path }) => `${method.toUpperCase()} ${path}`),
    )
  })

  it('has unique operation ids', () => {
    const names = operations.map(({ operationId }) => operationId)
    expect(new Set(names).size).to.equal(names.length)
    for (const name of names) expect(name).to.match(/^[a-z]+([A-Z][a-z]+)+$/)
  })

  it('describes each parameter of each path, with an example', () => {
    for (const { path, parameters } of operations) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      expect(parameters.filter(({ in: place }) => place === 'path').map(({ name }) => name)).to.deep.equal(
        inPath,
      )
    }
  })

  it('has description and example of each parameter beside its schema', () => {
    for (const { operationId, parameters } of operations) {
      for (const { name, description, example, schema } of parameters) {
        expect(description, `${operationId} ${name}`).to.be.a('string').and.not.equal('')
        expect(example, `${operationId} ${name}`).not.to.equal(undefined)
        expect(schema, `${operationId} ${name}`).not.to.have.any.keys('description', 'example')
      }
    }
  })

  it('describes each component, and each property beside its type', () => {
    expect(Object.keys(schemas)).to.include.members(['OrderStatus', 'PlaceOrderLine', 'ProblemError'])
    for (const [name, schema] of Object.entries(schemas)) {
      expect(schema.description, name).to.be.a('string').and.not.equal('')
      for (const [property, { description, $ref, items }] of Object.entries(schema.properties ?? {})) {
        const described = description ?? ($ref === undefined ? items?.$ref : $ref)
        expect(described, `${name}.${property}`).to.be.a('string').and.not.equal('')
      }
    }
  })

  it('has each list of choices once, under a name', () => {
    const choices = [...JSON.stringify(document).matchAll(/"enum":(\[[^\]]{20,}\])/g)].map(([, list]) => list)
    expect(choices).to.include(JSON.stringify(orderStatuses))
    expect(choices.filter((list, index) => choices.indexOf(list) !== index)).to.deep.equal([])
  })

  it('shares an error response that several operations have', () => {
    const texts = operations.flatMap(({ responses }) =>
      Object.entries(responses).flatMap(([status, { at, ...response }]) =>
        Number(status) >= 400 && at[0] === 'paths' ? [JSON.stringify(response)] : [],
      ),
    )
    expect(new Set(texts).size).to.equal(texts.length)
    expect(JSON.stringify(document).length).to.be.below(260_000)
  })

  it('begins with an order’s life, who may call, and links to the other documents', () => {
    for (const AUTH_MODE of ['none', 'jwt', 'api-key'] as const) {
      const { info } = openApiDocument(routes, '1.2.3', { AUTH_MODE })
      for (const status of orderStatuses) expect(info.description).to.include(`**${status}**`)
      expect(info.description).to.match(/\(asyncapi\.json\).*\(problems\)/)
      expect(info.description).to.include(
        AUTH_MODE === 'none' ? 'no authentication' : 'Authorization: Bearer',
      )
    }
  })

  it('shows how to read a stream on the command line', () => {
    for (const { operationId, path, description } of operations)
      if (operationId.startsWith('stream'))
        expect(description).to.match(
          new RegExp(`curl -N http\\S+${path.replace(/\{\w+\}/, '[\\da-f-]{36}')}$`),
        )
  })

  it('names the public URL', () => {
    const { servers } = openApiDocument(routes, '1.2.3', { PUBLIC_URL: 'https://shop.example/comanda' })
    expect(servers?.map(({ url }) => url)).to.deep.equal(['https://shop.example/comanda'])
  })

  it('has body examples that match their schema', () => {
    const withBody = operations.filter(({ bodySchema }) => bodySchema)
    expect(withBody).not.to.deep.equal([])
    for (const { path, method, bodySchema = {}, bodyExample: example } of withBody) {
      for (const { pointer } of fieldsOf(document, bodySchema))
        expect(JSON.stringify(valueAt(example, pointer)), pointer).to.be.a('string')
      validator.expectValid(
        example,
        'paths',
        path,
        method.toLowerCase(),
        'requestBody',
        'content',
        'application/json',
        'schema',
      )
    }
  })

  it('has a response example per operation that matches its schema', () => {
    for (const { operationId, responses } of operations) {
      for (const [status, { at, content, headers, description }] of Object.entries(responses)) {
        const [type] = Object.keys(content)
        if (type === undefined) {
          expect(status).to.be.oneOf(['204', '304'])
          continue
        }
        const { example, examples = {} } = content[type] ?? {}
        const values = example === undefined ? Object.values(examples).map(({ value }) => value) : [example]
        expect(values, `${operationId} ${status}`).not.to.deep.equal([])
        for (const value of values) validator.expectValid(value, ...at, 'content', type, 'schema')
        const right = operationId.startsWith('stream') ? STREAM_TYPE : 'application/json'
        expect(type).to.equal(Number(status) < 300 ? right : 'application/problem+json')
        expect(description).not.to.equal('')
        expect(headers).to.include.keys('X-Request-Id', ...(status === '503' ? ['Retry-After'] : []))
      }
    }
  })

  it('has an example per error under its code, with its status and type', () => {
    for (const { responses, bodySchema, operationId } of operations) {
      const problems = Object.entries(responses).flatMap(([status, { content }]) =>
        Object.entries(content['application/problem+json']?.examples ?? {}).map(([code, { value }]) => {
          expect(value).to.include({ code, type: `/problems/${code}`, status: Number(status) })
          return code
        }),
      )
      expect(problems, operationId).to.include.members([
        'internal',
        'overloaded',
        'database-unavailable',
        ...(bodySchema
          ? [
              'malformed-json',
              'json-too-deep',
              'unsupported-media-type',
              'payload-too-large',
              'validation-failed',
            ]
          : []),
      ])
    }
  })
})

function valueAt(value: unknown, pointer: string): unknown {
  return pointer
    .split('/')
    .slice(1)
    .reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], value)
}
