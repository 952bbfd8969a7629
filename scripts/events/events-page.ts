import { type EventType, eventCatalogue, eventTypes } from '../../src/events/catalogue.ts'
import { cloudEventSchema, toCloudEvent } from '../../src/events/cloud-event.ts'
import { exampleOf } from '../../src/events/event.ts'
import { type JsonSchema, jsonSchemaOf } from '../../src/events/event-schemas.ts'

const PUBLIC_URL = 'https://orders.example.com'

/** docs/events.md: the catalogue for people. */
export function eventsPage(): string {
  return `# Events

What happens to orders and their stock is told as events, to whoever builds on it: delivery, customers, analytics. This page is
made of the catalogue, [src/events/catalogue.ts](../src/events/catalogue.ts), by \`npm run events\`; a test sees that it is up to date.

| event | tells |
|---|---|
${eventTypes.map(type => `| [\`${type}\`](#${anchorOf(type)}) | ${titleOf(type)} |`).join('\n')}

A webhook that is tried gets a \`webhook.test\`, whose shape is in the AsyncAPI document.

The same for machines: \`/schemas/{type}.json\` has the JSON Schema (2020-12) of the \`data\` of a type, and is where \`dataschema\`
leads; \`/schemas/cloud-events/{type}.json\` that of the whole event. Both are open to everybody. \`/asyncapi.json\`
([copy](generated/asyncapi.json)) is the AsyncAPI 3.0 document, for callers.

## What an event looks like

It is a [CloudEvent](https://github.com/cloudevents/spec) 1.0 in JSON, with the extensions Sequence and Distributed Tracing.

${json(toCloudEvent(exampleOf('order.placed.v1'), PUBLIC_URL))}

${fieldTable(withoutData(jsonSchemaOf(cloudEventSchema('order.placed.v1'), 'draft-2020-12')))}

\`sequence\` is missing where an event is about no order. It is 2n − 1 for the nth step of an order's history, and 2 for what became
of its stock.

## What you can rely on

- An event is told if, and only if, what it tells was committed: both are written in one transaction.
- It is told at least once. The same event has the same \`id\` and says the same, however often it comes.
- \`sequence\` rises within an order: an event with a lower one than you have seen is older news.
- A \`v1\` stays what it is. It may get new optional properties, and there may be new types: **ignore what you do not know.** No
  property goes away, becomes optional or nullable, or takes values that it did not take before. What needs that is a \`v2\`, told
  beside the \`v1\` for as long as anybody listens to that.
- Ids are UUIDs, times RFC 3339 in UTC, amounts decimal strings with the decimals of their currency.

## The events

${eventTypes.map(section).join('\n\n')}

## Changing the catalogue

Change [src/events/catalogue.ts](../src/events/catalogue.ts), then \`npm run events\`: it writes this page and
[docs/generated/asyncapi.json](generated/asyncapi.json) anew, and says what would break somebody. \`npm run check\` fails on that, too: it compares with
[docs/generated/events.json](generated/events.json), the catalogue as last released, and looks both ways.

| a change to a \`v1\` | consumers that know the released one | events that are written already |
|---|---|---|
| new type; new optional property; other descriptions | go on | go on |
| new required property; narrower type, values, limits | go on | would be refused, and quarantined by the dispatcher |
| property gone, optional or nullable; wider type, values, limits | break | go on |
| other type, format, pattern, constant; type gone | break | would be refused |

All but the first are refused. What no comparison of schemas can see, such as an amount that turns from gross into net, is a
\`v2\` all the same. \`npm run events -- --release\` makes the present catalogue the released one, and is part of making a release; it
refuses what breaks. To withdraw a type that nobody listens to any more, take it out of docs/generated/events.json by hand, in a commit
that says so.
`
}

function section(type: EventType): string {
  const { payload } = exampleOf(type)
  return `### \`${type}\`

${eventCatalogue[type].description}

${fieldTable(jsonSchemaOf(eventCatalogue[type].payload, 'draft-2020-12'))}

${json(payload)}`
}

const titleOf = (type: EventType) => eventCatalogue[type].title
/** As GitHub names the anchor of a heading. */
const anchorOf = (type: EventType) => type.replaceAll('.', '')
const json = (value: unknown) => `\`\`\`json\n${JSON.stringify(value, null, 2)}\n\`\`\``

function withoutData({ properties, ...rest }: JsonSchema): JsonSchema {
  const { data: _, ...others } = properties ?? {}
  return { ...rest, properties: others }
}

function fieldTable(schema: JsonSchema): string {
  const rows = fieldsOf(schema).map(([name, its, isRequired]) => {
    const optional = isRequired ? '' : ', optional'
    return `| \`${name}\` | ${typeName(its)}${optional} | ${its.description ?? ''} |`
  })
  return ['| property | type | |', '|---|---|---|', ...rows].join('\n')
}

/** Every property, those within lists and objects by their path. */
function fieldsOf(
  schema: JsonSchema,
  prefix = '',
): [name: string, schema: JsonSchema, isRequired: boolean][] {
  const required = schema.required
  return Object.entries(schema.properties ?? {}).flatMap(([name, its]) => {
    const items = its.items
    const path = `${prefix}${name}`
    return [
      [path, its, required?.includes(name) ?? false],
      ...fieldsOf(items ?? its, items ? `${path}[].` : `${path}.`),
    ]
  })
}

function typeName({ type, format, const: constant }: JsonSchema): string {
  if (constant !== undefined) return `\`${JSON.stringify(constant)}\``
  return [type]
    .flat()
    .map(name => (name === 'string' && format ? format : name))
    .join(' or ')
}
