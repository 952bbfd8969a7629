interface Schema {
  $ref?: string
  type?: string
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
}

export interface DocumentedOperation {
  operationId: string
  method: string
  path: string
  fields: { pointer: string; required: boolean }[]
}

/** The operations of an OpenAPI document, each with the fields of its body by JSON Pointer. */
export function operationsOf(document: Record<string, unknown>): DocumentedOperation[] {
  const paths = document['paths'] as Record<string, Record<string, Operation>>
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId, requestBody }]) => ({
      operationId,
      method: method.toUpperCase(),
      path,
      fields: requestBody ? fieldsOf(document, requestBody.content['application/json'].schema) : [],
    })),
  )
}

interface Operation {
  operationId: string
  requestBody?: { content: { 'application/json': { schema: Schema } } }
}

function fieldsOf(document: object, schema: Schema, pointer = ''): DocumentedOperation['fields'] {
  const { properties = {}, required = [], items } = resolve(document, schema)
  if (items) return fieldsOf(document, items, `${pointer}/0`)
  return Object.entries(properties).flatMap(([name, property]) => [
    { pointer: `${pointer}/${name}`, required: required.includes(name) },
    ...fieldsOf(document, property, `${pointer}/${name}`),
  ])
}

function resolve(document: object, schema: Schema): Schema {
  if (!schema.$ref) return schema
  const found: unknown = schema.$ref
    .split('/')
    .slice(1)
    .reduce((value, key) => (value as Record<string, unknown>)[key], document as unknown)
  return resolve(document, found as Schema)
}
