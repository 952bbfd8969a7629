import { expect } from 'chai'
import { openApiDocument } from '../../src/http/openapi/openapi.ts'
import { STREAM_TYPE } from '../../src/http/route.ts'
import { apiRoutes } from '../../src/processes/api.ts'
import { exampleOf, fieldsOf, type OpenApiDocument, operationsOf } from './operations.ts'
import { ResponseValidator } from './response-validator.ts'

describe('the OpenAPI document', () => {
  // The routes are described, not called, so they need no dependencies.
  const routes = apiRoutes({} as never)
  const document: OpenApiDocument = openApiDocument(routes, '1.2.3')
  const operations = operationsOf(document)
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
      for (const { in: place, schema } of parameters)
        if (place === 'path') expect(exampleOf(document, schema)).to.be.a('string')
    }
  })

  it('has body examples that match their schema', () => {
    const withBody = operations.filter(({ bodySchema }) => bodySchema)
    expect(withBody).not.to.deep.equal([])
    for (const { path, method, bodySchema = {} } of withBody) {
      const example = exampleOf(document, bodySchema)
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
    for (const { path, method, operationId, responses } of operations) {
      for (const [status, { content, headers, description }] of Object.entries(responses)) {
        const at = ['paths', path, method.toLowerCase(), 'responses', status, 'content']
        const [type] = Object.keys(content)
        if (type === undefined) {
          expect(status).to.be.oneOf(['204', '304'])
          continue
        }
        const { example, examples = {} } = content[type] ?? {}
        const values = example === undefined ? Object.values(examples).map(({ value }) => value) : [example]
        expect(values, `${operationId} ${status}`).not.to.deep.equal([])
        for (const value of values) validator.expectValid(value, ...at, type, 'schema')
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
