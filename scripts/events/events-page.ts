import { type EventType, eventCatalogue, eventTypes } from '../../src/events/catalogue.ts'
import { cloudEventSchema, publishedData, toCloudEvent } from '../../src/events/cloud-event.ts'
import { exampleOf } from '../../src/events/event.ts'
import { type JsonSchema, jsonSchemaOf } from '../../src/events/event-schemas.ts'

const PUBLIC_URL = 'https://orders.example.com'

/** Returns docs/events.md: the catalogue for people. */
export function eventsPage(): string {
  return `# Events

Every change of an order or of its stock is published as an event, for delivery partners, customer
apps and analytics. \`npm run generate\` writes this page from the catalogue,
[src/events/catalogue.ts](../src/events/catalogue.ts).

| event | reports |
|---|---|
${eventTypes.map(type => `| [\`${type}\`](#${anchorOf(type)}) | ${titleOf(type)} |`).join('\n')}

Testing a webhook sends a \`webhook.test\`, which the AsyncAPI document describes.

Machine-readable forms: \`/schemas/{type}.json\` is the JSON Schema (2020-12) of the \`data\` of a type,
and the URL in \`dataschema\`. \`/schemas/cloud-events/{type}.json\` is the schema of the whole event.
Both need no authentication. \`/asyncapi.json\` ([copy](generated/asyncapi.json)) is the AsyncAPI 3.0
document, for authenticated clients.

## Format

An event is a [CloudEvent](https://github.com/cloudevents/spec) 1.0 in JSON, with the extensions
Sequence and Distributed Tracing.

${json(toCloudEvent(exampleOf('order.placed.v1'), PUBLIC_URL))}

${fieldTable(withoutData(jsonSchemaOf(cloudEventSchema('order.placed.v1'), 'draft-2020-12')))}

Events that are not about an order have no \`sequence\`. Step n in the history of an order has the
sequence 2n − 1; the outcome of its stock deduction has the sequence 2.

## Guarantees

- An event is published if, and only if, the change that it reports was committed. Both are written
  in one transaction.
- Delivery is at least once. A repeated event has the same \`id\` and the same content.
- \`sequence\` rises within an order. An event with a lower sequence than one you have processed is
  older.
- A \`v1\` stays compatible. It may gain optional properties, and new types may appear: **ignore
  what you do not know.** No property is removed, becomes optional or nullable, or takes values that
  it did not take before. Such a change is a \`v2\`, published beside the \`v1\` while the \`v1\` has
  consumers.
- Ids are UUIDs, times are RFC 3339 in UTC, amounts are decimal strings with all decimals of their
  currency.

## Catalogue

${eventTypes.map(section).join('\n\n')}

## Changing the catalogue

Edit [src/events/catalogue.ts](../src/events/catalogue.ts), then run \`npm run generate\`. \`npm run
check\` compares the catalogue with the released one,
[docs/generated/events.json](generated/events.json), in both directions, and fails on a breaking
change:

| a change to a \`v1\` | consumers of the released \`v1\` | events that are already stored |
|---|---|---|
| new type; new optional property; other descriptions | keep working | stay valid |
| new required property; narrower type, values or limits | keep working | become invalid: the dispatcher quarantines them |
| property removed, optional or nullable; wider type, values or limits | break | stay valid |
| other type, format, pattern or constant; type removed | break | become invalid |

Only the first row is permitted. A change of meaning that no schema shows, for example an amount
that becomes net instead of gross, also needs a \`v2\`. \`npm run events -- --release\` makes the
current catalogue the released one; it is part of a release. To withdraw a type that has no
consumers, remove it from docs/generated/events.json by hand, in a commit that says so.
`
}

function section(type: EventType): string {
  const { payload } = exampleOf(type)
  return `### \`${type}\`

${wrapped(eventCatalogue[type].description)}

${fieldTable(jsonSchemaOf(publishedData(type), 'draft-2020-12'))}

${json(payload)}`
}

/** Returns prose in lines of at most 100 characters. */
const wrapped = (prose: string) => prose.replaceAll(/(.{1,100})(?: |$)/g, '$1\n').trimEnd()
const titleOf = (type: EventType) => eventCatalogue[type].title
/** Returns the anchor that GitHub gives to a heading. */
const anchorOf = (type: EventType) => type.replaceAll('.', '')
const json = (value: unknown) => `\`\`\`json\n${JSON.stringify(value, null, 2)}\n\`\`\``

function withoutData({ properties, ...rest }: JsonSchema): JsonSchema {
  const { data: _, ...others } = properties ?? {}
  return { ...rest, properties: others }
}

function fieldTable(schema: JsonSchema): string {
  const rows = fieldsOf(schema).map(([name, field, isRequired]) => {
    const optional = isRequired ? '' : ', optional'
    return `| \`${name}\` | ${typeName(field)}${optional} | ${field.description ?? ''} |`
  })
  return ['| property | type | |', '|---|---|---|', ...rows].join('\n')
}

/** Returns every property. Properties within lists and objects are named by their path. */
function fieldsOf(
  schema: JsonSchema,
  prefix = '',
): [name: string, schema: JsonSchema, isRequired: boolean][] {
  const required = schema.required
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const items = field.items
    const path = `${prefix}${name}`
    return [
      [path, field, required?.includes(name) ?? false],
      ...fieldsOf(items ?? field, items ? `${path}[].` : `${path}.`),
    ]
  })
}

function typeName({ type, format, const: constant, anyOf }: JsonSchema): string {
  if (Array.isArray(anyOf)) return anyOf.map(typeName).join(' or ')
  if (constant !== undefined) return `\`${JSON.stringify(constant)}\``
  return [type]
    .flat()
    .map(name => (name === 'string' && format ? format : name))
    .join(' or ')
}
