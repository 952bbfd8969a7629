import { z } from 'zod'
import { demoIds } from '../platform/demo-ids.ts'
import { type EventType, eventCatalogue, eventTypes, isAboutOrder } from './catalogue.ts'
import { cloudEventSchema, publishedData, toCloudEvent } from './cloud-event.ts'
import { exampleOf } from './event.ts'
import { envelopeTitle, type JsonSchema, jsonSchemaOf } from './event-schemas.ts'

export interface AsyncApiOptions {
  version: string
  /** where the API is reached from outside, without a slash at its end */
  publicUrl: string
  authMode: 'none' | 'jwt' | 'api-key'
  /** what a webhook is tried with */
  test: { type: string; schema: z.ZodType; example: object }
  /** what each stream begins with */
  snapshots: Record<StreamKind, z.ZodType>
}

type StreamKind = 'order' | 'restaurant'

/** An event on its own, in structured mode (CloudEvents JSON Event Format, section 3). */
const CLOUD_EVENT = 'application/cloudevents+json'
const HTTP_BINDING = '0.3.0'

/**
 * The AsyncAPI 3.0 document: what webhooks deliver and what streams show, made of the event
 * catalogue. Its schemas are of draft 7, on which AsyncAPI builds; those at `/schemas` say the same
 * in 2020-12.
 */
export function asyncApiDocument({ version, publicUrl, authMode, test, snapshots }: AsyncApiOptions) {
  return {
    asyncapi: '3.0.0',
    id: `${publicUrl}/asyncapi.json`,
    info: {
      title: 'Comanda events',
      version,
      description:
        'Changes of orders and their stock, as CloudEvents 1.0 in JSON. Every event is delivered at least once, and the events ' +
        'of an order in their order. Repetitions have the same `id`. A `v1` gains only optional properties: ignore unknown ones.',
      license: { name: 'MIT' },
      tags: [{ name: 'Orders' }, { name: 'Inventory' }, { name: 'Webhooks' }],
    },
    defaultContentType: CLOUD_EVENT,
    servers: { api: apiServer(publicUrl, authMode), subscriber },
    channels: {
      webhook: webhookChannel(publicUrl, test),
      orderStream: streamChannel('order', eventTypes.filter(isAboutOrder)),
      restaurantStream: streamChannel('restaurant', eventTypes),
    },
    operations: {
      deliverWebhook: webhookOperation(test),
      streamOrder: streamOperation('order', eventTypes.filter(isAboutOrder)),
      streamRestaurant: streamOperation('restaurant', eventTypes),
    },
    components: {
      messages: Object.fromEntries([
        ...eventTypes.map(type => [type, message(type, publicUrl)]),
        [test.type, testMessage(test)],
        ...streamKinds.map(kind => [snapshotName(kind), snapshotMessage(kind)]),
      ]) as Record<string, object>,
      messageTraits: { webhook: { headers: jsonSchemaOf(webhookHeaders, 'draft-7') } },
      schemas: {
        ...(Object.fromEntries(
          eventTypes.flatMap(type => [
            [type, envelope(type)],
            [dataName(type), jsonSchemaOf(publishedData(type), 'draft-7')],
          ]),
        ) as Record<string, JsonSchema>),
        [test.type]: jsonSchemaOf(test.schema, 'draft-7'),
        ...Object.assign({}, ...streamKinds.map(kind => snapshotSchemas(kind, snapshots[kind]))),
      },
      ...(authMode === 'none' ? {} : { securitySchemes: { bearer: bearerScheme(authMode) } }),
    },
  }
}

const dataName = (type: EventType) => `${type}.data`
const reference = (...keys: string[]) => ({ $ref: `#/${keys.join('/')}` })

function apiServer(publicUrl: string, authMode: AsyncApiOptions['authMode']) {
  const { protocol, host, pathname } = new URL(publicUrl)
  return {
    host,
    ...(pathname === '/' ? {} : { pathname }),
    protocol: protocol.slice(0, -1),
    description: 'Where streams are read',
    ...(authMode === 'none' ? {} : { security: [reference('components', 'securitySchemes', 'bearer')] }),
  }
}

const subscriber = {
  host: '{host}',
  protocol: 'https',
  description: 'Yours: where webhooks are delivered',
  variables: { host: { default: 'partner.example.com', description: 'Host of the URL that you gave' } },
}

function bearerScheme(authMode: 'jwt' | 'api-key') {
  return {
    type: 'http',
    scheme: 'bearer',
    ...(authMode === 'jwt' ? { bearerFormat: 'JWT' } : {}),
    description: 'The scope `orders:read`, as for the calls of /openapi.json',
  }
}

function message(type: EventType, publicUrl: string) {
  const { title, description } = eventCatalogue[type]
  return {
    name: type,
    title,
    summary: description,
    contentType: CLOUD_EVENT,
    tags: [{ name: isAboutOrder(type) ? 'Orders' : 'Inventory' }],
    payload: reference('components', 'schemas', type),
    examples: [{ name: 'example', payload: toCloudEvent(exampleOf(type), publicUrl) }],
  }
}

function testMessage({ type, schema, example }: AsyncApiOptions['test']) {
  const { title, description } = schema.meta() ?? {}
  return {
    name: type,
    title,
    summary: description,
    contentType: CLOUD_EVENT,
    tags: [{ name: 'Webhooks' }],
    payload: reference('components', 'schemas', type),
    examples: [{ name: 'example', payload: example }],
  }
}

/** A whole event; its `data` is a schema of its own. */
function envelope(type: EventType): JsonSchema {
  const { properties, ...rest } = jsonSchemaOf(cloudEventSchema(type), 'draft-7')
  const data = reference('components', 'schemas', dataName(type))
  return { title: envelopeTitle(type), ...rest, properties: { ...properties, data } }
}

/** Standard Webhooks, section "Webhook Headers". */
const webhookHeaders = z
  .object({
    'webhook-id': z.string().meta({
      description: 'Names the delivery: the same each time that it is tried',
      examples: ['01a20485-b0f0-7000-8000-0000000000d1'],
    }),
    'webhook-timestamp': z
      .string()
      .regex(/^\d+$/)
      .meta({
        description: 'When it was sent, in seconds since 1970: refuse what is old',
        examples: ['1795372200'],
      }),
    'webhook-signature': z.string().meta({
      description:
        '`v1,` and the HMAC-SHA256 of id, timestamp and body, in base64; several with blanks between',
      examples: ['v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4='],
    }),
    traceparent: z
      .string()
      .optional()
      .meta({
        description: 'W3C Trace Context of the attempt, where traces are on: to go on with',
        examples: ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
      }),
  })
  .meta({ title: 'Webhook headers' })

function webhookChannel(publicUrl: string, test: AsyncApiOptions['test']) {
  const traits = [reference('components', 'messageTraits', 'webhook')]
  return {
    address: null,
    title: 'Webhook',
    description: 'The URL of a subscription.',
    servers: [reference('servers', 'subscriber')],
    messages: Object.fromEntries([
      ...eventTypes.map(type => [type, { ...message(type, publicUrl), traits }]),
      [test.type, { ...testMessage(test), traits }],
    ]) as Record<string, object>,
  }
}

const webhookOperation = ({ type: test }: AsyncApiOptions['test']) => ({
  action: 'send',
  channel: reference('channels', 'webhook'),
  title: 'Deliver to a webhook',
  description:
    'One POST an event and subscription, signed by Standard Webhooks. A status of 2xx takes it; anything else, or none ' +
    'in 15 s, has it sent again later, under the same `webhook-id`.',
  bindings: { http: { method: 'POST', bindingVersion: HTTP_BINDING } },
  messages: [...eventTypes, test].map(type => reference('channels', 'webhook', 'messages', type)),
})

const streams = {
  order: {
    of: 'an order',
    example: demoIds.order,
    path: 'orders',
    snapshot: 'The order as it is, as `GET /api/v1/orders/{order_id}` has it.',
    end: ' The stream ends after the event that makes the order DELIVERED or CANCELLED; 204 to the id of that event means that no other follows.',
  },
  restaurant: {
    of: 'a restaurant',
    example: demoIds.restaurant,
    path: 'restaurants',
    snapshot: 'The restaurant with its open orders, as they are, in parts of at most 100 orders.',
    end: ' The stream stays open.',
  },
} as const satisfies Record<StreamKind, object>
const streamKinds = ['order', 'restaurant'] as const

const snapshotName = (kind: StreamKind) => `${kind}Snapshot`

function snapshotMessage(kind: StreamKind) {
  return {
    name: 'snapshot',
    title: `${kind === 'order' ? 'Order' : 'Restaurant'} as it is`,
    summary: `${streams[kind].snapshot} It comes first, unless \`Last-Event-ID\` says from where to go on.`,
    contentType: 'application/json',
    payload: reference('components', 'schemas', snapshotName(kind)),
  }
}

/**
 * A snapshot's schema and those within it that have names, all at the one place where they are
 * looked for.
 */
function snapshotSchemas(kind: StreamKind, schema: z.ZodType): Record<string, JsonSchema> {
  const json = JSON.stringify(jsonSchemaOf(schema, 'draft-7'))
  const { definitions, ...snapshot } = JSON.parse(
    json.replaceAll('"#/definitions/', '"#/components/schemas/'),
  ) as JsonSchema & { definitions?: Record<string, JsonSchema> }
  const named = Object.entries(definitions ?? {}).map(([name, each]) => [name, { title: name, ...each }])
  return { ...(Object.fromEntries(named) as typeof definitions), [snapshotName(kind)]: snapshot }
}

function streamChannel(kind: StreamKind, types: readonly EventType[]) {
  const { of, path, example } = streams[kind]
  return {
    address: `/api/v1/${path}/{${kind}_id}/stream`,
    title: `Stream of ${of}`,
    description:
      'Server-Sent Events: `event` is the type, `id` where to go on from, `data` the CloudEvent on one line. Lines that begin ' +
      'with a colon only keep the connection alive.',
    parameters: { [`${kind}_id`]: { description: `Id of the ${kind}`, examples: [example] } },
    servers: [reference('servers', 'api')],
    messages: {
      snapshot: reference('components', 'messages', snapshotName(kind)),
      ...Object.fromEntries(types.map(type => [type, reference('components', 'messages', type)])),
    },
  }
}

function streamOperation(kind: StreamKind, types: readonly EventType[]) {
  const channel = `${kind}Stream`
  return {
    action: 'send',
    channel: reference('channels', channel),
    title: `Follow ${streams[kind].of}`,
    description:
      'GET with `Accept: text/event-stream`. Connect again with the `id` that came last as `Last-Event-ID`, as browsers do by ' +
      `themselves: what has happened meanwhile comes first.${streams[kind].end}`,
    bindings: { http: { method: 'GET', bindingVersion: HTTP_BINDING } },
    messages: ['snapshot', ...types].map(name => reference('channels', channel, 'messages', name)),
  }
}
