import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { expect } from 'chai'
import { STREAM_TYPE } from '../../src/http/route.ts'
import { type OpenApiDocument, type Operation, operationsOf } from './operations.ts'
import type { RawReply } from './send.ts'

/**
 * Validates values and responses against an OpenAPI 3.1 document (JSON Schema 2020-12).
 */
export class ResponseValidator {
  readonly operations: ReadonlyMap<string, Operation>
  /** everything validated so far, as `<operationId> <status or problem code>` */
  readonly seen = new Set<string>()
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true })

  constructor(document: OpenApiDocument) {
    this.operations = new Map(operationsOf(document).map(operation => [operation.operationId, operation]))
    addFormats.default(this.#ajv)
    this.#ajv.addSchema(document, 'document')
  }

  /** @param path of the schema in the document */
  expectValid(value: unknown, ...path: string[]): void {
    const pointer = path.map(key => `/${encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))}`)
    const validate = this.#ajv.getSchema(`document#${pointer.join('')}`)
    if (!validate) throw new Error(`the document has nothing at ${path.join(' > ')}`)
    expect(validate(value), this.#ajv.errorsText(validate.errors)).to.equal(true)
  }

  /**
   * Expects a documented response: status, content type, headers, body and, for an error, its code.
   */
  expectDocumented(operationId: string, reply: RawReply): void {
    const { responses } = this.operation(operationId)
    const response = responses[reply.status]
    if (!response) throw new Error(`${operationId} does not document ${reply.status}: ${reply.text}`)
    const promised = Object.entries(response.headers).filter(([, { required }]) => required)
    expect(reply.headers).to.include.keys(...promised.map(([name]) => name.toLowerCase()))
    if (reply.status === 204 || reply.status === 304) {
      expect([response.content, reply.text]).to.deep.equal([{}, ''])
      this.seen.add(`${operationId} ${reply.status}`)
      return
    }
    const type = String(reply.headers['content-type']).split(';')[0] ?? ''
    expect(Object.keys(response.content), `${operationId} ${reply.status}`).to.deep.equal([type])
    const body = (type === STREAM_TYPE ? reply.text : JSON.parse(reply.text)) as { code?: string }
    this.expectValid(body, ...response.at, 'content', type, 'schema')
    const examples = response.content[type]?.examples
    if (examples) expect(examples, `${operationId} ${reply.status}`).to.include.keys(String(body.code))
    this.seen.add(`${operationId} ${examples ? body.code : reply.status}`)
  }

  operation(operationId: string): Operation {
    const operation = this.operations.get(operationId)
    if (!operation) throw new Error(`the document has no operation ${operationId}`)
    return operation
  }
}
