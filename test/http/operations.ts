/** What the tests need to know of an OpenAPI document. */

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
  responses: Record<string, Response>
  /** what a caller needs, when callers are told apart */
  scope: string | undefined
}

/** As zod-openapi makes it, or as it comes over HTTP. */
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
  requestBody?: { content: { 'application/json': { schema: Schema } } }
}

/** Every field of a body, by JSON Pointer; those of lists at their first element. */
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

/** The value that Swagger UI fills in: made of the examples of its parts. */
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
