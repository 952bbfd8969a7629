import type { ResourceKind } from '../../src/platform/errors.ts'

/** The parts of an OpenAPI document that the tests use. */

export interface Schema {
  $ref?: string
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  example?: unknown
}

interface Response {
  description: string
  headers: Record<string, { required?: boolean }>
  content: Record<string, { example?: unknown; examples?: Record<string, { value: unknown }> }>
}

export interface Operation {
  operationId: string
  method: string
  path: string
  parameters: { in: string; name: string; schema: Schema }[]
  bodySchema: Schema | undefined
  bodyRequired: boolean
  /** Kind of the last id in the path. */
  resource: ResourceKind | undefined
  responses: Record<string, Response>
  /** The only documented status below 300. */
  successStatus: number
  /** Required scope, in a document with authentication. */
  scope: string | undefined
}

/** Created by zod-openapi or received over HTTP. */
export type OpenApiDocument = object

export function operationsOf(document: OpenApiDocument): Operation[] {
  const { paths = {} } = document as { paths?: object }
  return Object.entries(paths).flatMap(([path, methods]: [string, Record<string, DocumentedOperation>]) =>
    Object.entries(methods).map(
      ([method, { operationId, parameters = [], requestBody, responses, security }]) => ({
        operationId,
        method: method.toUpperCase(),
        path,
        parameters,
        bodySchema: requestBody?.content['application/json'].schema,
        bodyRequired: requestBody?.required ?? false,
        resource: resourceOf(path),
        successStatus: successStatusOf(operationId, responses),
        responses: Object.fromEntries(
          Object.entries(responses).map(([status, response]) => [
            status,
            { ...response, content: response.content ?? {} },
          ]),
        ),
        scope: security?.[0]?.bearer[0],
      }),
    ),
  )
}

interface DocumentedOperation extends Pick<Operation, 'operationId'> {
  /** 204 has no content */
  responses: Record<string, Omit<Response, 'content'> & Partial<Pick<Response, 'content'>>>
  security?: { bearer: [scope: string] }[]
  parameters?: Operation['parameters']
  requestBody?: { required?: boolean; content: { 'application/json': { schema: Schema } } }
}

function resourceOf(path: string): ResourceKind | undefined {
  const name = [...path.matchAll(/\{(\w+)_id\}/g)].at(-1)?.[1]
  return name?.replace('_', '-') as ResourceKind | undefined
}

function successStatusOf(operationId: string, responses: object): number {
  const successes = Object.keys(responses).filter(status => Number(status) < 300)
  // An operation may have nothing to return, besides its success.
  const [status, ...others] = successes.length > 1 ? successes.filter(each => each !== '204') : successes
  if (status === undefined || others.length > 0) throw new Error(`${operationId} needs one success status`)
  return Number(status)
}

/** Returns every field of a body by JSON Pointer. Lists are represented by their first element. */
export function fieldsOf(
  document: OpenApiDocument,
  schema: Schema,
  pointer = '',
): { pointer: string; required: boolean }[] {
  const { properties = {}, required = [], items } = resolve(document, schema)
  if (items) return fieldsOf(document, items, `${pointer}/0`)
  return Object.entries(properties).flatMap(([name, property]) => [
    { pointer: `${pointer}/${name}`, required: required.includes(name) },
    ...fieldsOf(document, property, `${pointer}/${name}`),
  ])
}

/** Returns the example that Swagger UI fills in, composed of the examples of its parts. */
export function exampleOf(document: OpenApiDocument, schema: Schema): unknown {
  const { example, properties, items } = resolve(document, schema)
  if (example !== undefined) return example
  if (items) return [exampleOf(document, items)]
  if (!properties) return undefined
  return Object.fromEntries(
    Object.entries(properties).map(([name, property]) => [name, exampleOf(document, property)]),
  )
}

function resolve(document: OpenApiDocument, schema: Schema): Schema {
  if (!schema.$ref) return schema
  const found: unknown = schema.$ref
    .split('/')
    .slice(1)
    .reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], document)
  return resolve(document, found as Schema)
}
