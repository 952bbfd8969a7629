import { openApiDocument } from '../../src/http/openapi/openapi.ts'
import { problems } from '../../src/http/problem-catalogue.ts'
import type { ProblemCode } from '../../src/http/problem-entry.ts'
import { apiRoutes } from '../../src/processes/api.ts'
import { expectProblem } from '../http/expect-problem.ts'
import type { Operation } from '../http/operations.ts'
import { ResponseValidator } from '../http/response-validator.ts'
import type { RawReply } from '../http/send.ts'

/** Problems that any request may get before its operation is known. */
const beforeRouting: ReadonlySet<ProblemCode> = new Set([
  'route-not-found',
  'method-not-allowed',
  'method-not-implemented',
  'path-too-long',
  'malformed-request',
  'host-not-allowed',
])

/** An OpenAPI document that checks responses by the method and path of their request. */
export class ApiDocument {
  readonly #validator: ResponseValidator
  readonly #paths: { pattern: RegExp; operations: Map<string, Operation> }[]

  constructor(document: object) {
    this.#validator = new ResponseValidator(document)
    const byPath = Map.groupBy(this.#validator.operations.values(), ({ path }) => path)
    this.#paths = [...byPath].map(([path, operations]) => ({
      pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
      operations: new Map(operations.map(operation => [operation.method, operation])),
    }))
  }

  /** @param path without its query */
  expectDocumented(method: string, path: string, reply: RawReply): void {
    // Neither responses to OPTIONS nor responses without a body are documented.
    if (method === 'OPTIONS' || method === 'HEAD') return
    if (reply.status >= 400) {
      const { code } = JSON.parse(reply.text) as { code: ProblemCode }
      if (!(code in problems)) throw new Error(`${code} is not in the catalogue of problems`)
      expectProblem(reply, { code })
      if (beforeRouting.has(code)) return
    }
    const operation = this.#paths.find(({ pattern }) => pattern.test(path))?.operations.get(method)
    if (!operation) throw new Error(`the document has no such operation, and the status is ${reply.status}`)
    this.#validator.expectDocumented(operation.operationId, reply)
  }
}

/** Builds the document of all responses that any configuration can send. */
export function wholeDocument(): ApiDocument {
  const everything = {
    AUTH_MODE: 'jwt',
    REQUIRE_IDEMPOTENCY_KEY: true,
    RATE_LIMIT_PER_MINUTE: 1,
    CELL_SLOTS: new Set<string>(),
  } as const
  return new ApiDocument(openApiDocument(apiRoutes({} as never), 'test', everything))
}
