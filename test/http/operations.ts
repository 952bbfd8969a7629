import type { ResourceKind } from '../../src/platform/errors.ts'

/** The parts of an OpenAPI document that the tests use. */

export interface Schema {
  $ref?: string
  description?: string
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  example?: unknown
}

interface Response {
  /** path of the response in the document: it may be shared by several operations */
  at: string[]
  description: string
  headers: Record<string, { required?: boolean }>
  content: Record<string, { example?: unknown; examples?: Record<string, { value: unknown }> }>
}

export interface Parameter {
  in: string
  name: string
  required?: boolean
  description?: string
  example?: unknown
  schema: Schema
}

export interface Operation {
  operationId: string
  description: string
  method: string
  path: string
  parameters: Parameter[]
  bodySchema: Schema | undefined
  /** the body that Swagger UI and imports fill in */
  bodyExample: unknown
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
      ([method, { operationId, description, parameters = [], requestBody, responses, security }]) => ({
        operationId,
        description,
        method: method.toUpperCase(),
        path,
        parameters,
        bodySchema: requestBody?.content['application/json'].schema,
        bodyExample: requestBody?.content['application/json'].example,
        bodyRequired: requestBody?.required ?? false,
        resource: resourceOf(path),
        successStatus: successStatusOf(operationId, responses),
        responses: Object.fromEntries(
          Object.entries(responses).map(([status, response]) => {
            const at = response.$ref?.split('/').slice(1) ?? ['paths', path, method, 'responses', status]
            const resolved = resolve(document, response)
            return [status, { ...resolved, at, content: resolved.content ?? {} }]
          }),
        ),
        scope: security?.[0]?.bearer[0],
      }),
    ),
  )
}

type DocumentedResponse = Omit<Response, 'at' | 'content'> &
  Partial<Pick<Response, 'content'>> & { $ref?: string }

interface DocumentedOperation extends Pick<Operation, 'operationId' | 'description'> {
  /** 204 has no content */
  responses: Record<string, DocumentedResponse>
  security?: { bearer: [scope: string] }[]
  parameters?: Operation['parameters']
  requestBody?: { required?: boolean; content: { 'application/json': { schema: Schema; example: unknown } } }
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

function resolve<Part extends { $ref?: string }>(document: OpenApiDocument, schema: Part): Part {
  if (!schema.$ref) return schema
  const found: unknown = schema.$ref
    .split('/')
    .slice(1)
    .reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], document)
  return resolve(document, found as Part)
}
