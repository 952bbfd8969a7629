/** The parts of an OpenAPI document that are completed here. */
interface Schema {
  $ref?: string
  description?: string
  example?: unknown
  anyOf?: Schema[]
  items?: Schema
  properties?: Record<string, Schema>
}

interface Parameter {
  description?: string
  example?: unknown
  schema: Schema
}

interface ErrorResponse {
  $ref?: string
  content?: { 'application/problem+json'?: { examples: Record<string, unknown> } }
}

interface Operation {
  parameters?: Parameter[]
  requestBody?: { content: Record<string, { schema: Schema; example?: unknown }> }
  responses: Record<string, ErrorResponse>
}

interface Document {
  paths?: Record<string, Record<string, Operation>>
  components?: { schemas?: Record<string, Schema>; responses?: Record<string, ErrorResponse> }
}

/**
 * Completes a document for Swagger UI, code generators and imports: descriptions and examples of
 * parameters stand beside their schema, every body has one example, and error responses that
 * several operations have are components.
 */
export function finishDocument<Finished extends object>(document: Finished): Finished {
  const { paths = {}, components = {} } = document as Document
  const { schemas = {} } = components
  const operations = Object.values(paths).flatMap(path => Object.values(path))
  for (const { parameters = [], requestBody } of operations) {
    for (const parameter of parameters) describeParameter(parameter, schemas)
    for (const body of Object.values(requestBody?.content ?? {}))
      body.example = exampleOf(body.schema, schemas)
  }
  const responses = shareErrorResponses(operations)
  return { ...document, components: { ...components, responses } }
}

function describeParameter(parameter: Parameter, components: Record<string, Schema>): void {
  const { description, example: _, ...schema } = parameter.schema
  if (description !== undefined) parameter.description ??= description
  parameter.example ??= exampleOf(parameter.schema, components)
  parameter.schema = schema
}

/** Returns the example of a schema, or composes one of the examples of its parts. */
function exampleOf(schema: Schema, components: Record<string, Schema>): unknown {
  const { $ref, example, properties, items } = schema
  if (example !== undefined) return example
  if ($ref !== undefined) return exampleOf(components[$ref.split('/').at(-1) ?? ''] ?? {}, components)
  if (items) return [exampleOf(items, components)]
  if (!properties) return undefined
  const values = Object.entries(properties).map(([name, each]) => [name, exampleOf(each, components)])
  return Object.fromEntries(values)
}

/** Moves error responses that several operations have to the returned components. */
function shareErrorResponses(operations: readonly Operation[]): Record<string, ErrorResponse> {
  const uses = operations.flatMap(({ responses }) =>
    Object.entries(responses).flatMap(([status, response]) => {
      const codes = Object.keys(response.content?.['application/problem+json']?.examples ?? {})
      return codes.length > 0 ? [{ responses, status, response, name: nameOf(codes) }] : []
    }),
  )
  const components: Record<string, ErrorResponse> = {}
  for (const alike of Map.groupBy(uses, ({ response }) => JSON.stringify(response)).values()) {
    const [{ name, response } = { name: '', response: {} }] = alike
    if (alike.length === 1) continue
    // Responses with the same codes may have different examples.
    const sameCodes = Object.keys(components).filter(each => each.replace(/\d+$/, '') === name).length
    const key = sameCodes === 0 ? name : `${name}${sameCodes + 1}`
    components[key] = response
    for (const { responses, status } of alike) responses[status] = { $ref: `#/components/responses/${key}` }
  }
  return components
}

/** Returns e.g. `OverloadedOrDatabaseUnavailable`. */
function nameOf(codes: readonly string[]): string {
  return codes
    .map(code => code.replaceAll(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase()))
    .join('Or')
}
