import { z } from 'zod'
import { id, optional, text, timestamp, wholeNumber } from '../http/schema-fields.ts'
import { demoIds } from '../platform/demo-ids.ts'
import type { Delivery } from './deliveries.ts'
import { EVERY_EVENT, isEventPattern } from './event-pattern.ts'
import type { Webhook } from './webhook-queries.ts'
import { SECRET_OVERLAP_HOURS } from './webhook-secret.ts'
import { MAX_URL_LENGTH } from './webhook-url.ts'

/** Request and response schemas of webhooks and their deliveries. */

const MAX_PATTERN_COUNT = 50
const MAX_RESTAURANT_COUNT = 1_000

const webhookId = id('webhook', demoIds.webhook)
const deliveryId = id('delivery', demoIds.delivery)
const restaurantId = id('restaurant', demoIds.restaurant)

const NOT_A_PATTERN =
  'must be an event type like order.placed.v1, a prefix like order.*, or * for all; /asyncapi.json lists the event types'

const ofUrl = {
  description: 'URL of your endpoint: `https`, on a public host, without credentials',
  example: 'https://hooks.example/comanda',
}
const url = text(MAX_URL_LENGTH, ofUrl)
const eventTypes = z
  .array(
    z.string({ error: 'must be a string' }).refine(isEventPattern, NOT_A_PATTERN).meta({
      description: 'Event type, or a prefix with `*`',
      example: 'order.*',
    }),
    { error: 'must be a list' },
  )
  .min(1, 'must not be empty')
  .max(MAX_PATTERN_COUNT, `must not have more than ${MAX_PATTERN_COUNT} entries`)
  .meta({ description: 'Subscribed event types; `*` subscribes to all' })
const restaurantIds = z
  .array(restaurantId, { error: 'must be a list' })
  .min(1, 'must not be empty')
  .max(MAX_RESTAURANT_COUNT, `must not have more than ${MAX_RESTAURANT_COUNT} entries`)
const ofDescription = { description: 'Description for your own use', example: 'the kitchen display' }
const description = text(200, ofDescription)

const webhookStatus = z
  .enum(['ACTIVE', 'DISABLED'], { error: 'must be one of ACTIVE, DISABLED' })
  .meta({ id: 'WebhookStatus', description: 'DISABLED: nothing is sent', example: 'ACTIVE' })

const disabledReason = z.enum(['BY_OWNER', 'FAILING', 'GONE']).meta({
  id: 'DisabledReason',
  description:
    'BY_OWNER: disabled by a request; FAILING: no successful delivery for 5 days; GONE: the endpoint responded 410',
  example: 'BY_OWNER',
})

export const webhookParams = z.strictObject({ webhook_id: webhookId })
export const deliveryParams = z.strictObject({ webhook_id: webhookId, delivery_id: deliveryId })

export const addWebhookBody = z
  .strictObject({
    url,
    event_types: eventTypes
      .nullish()
      .transform(value => value ?? [EVERY_EVENT])
      .meta({ default: [EVERY_EVENT] }),
    restaurant_ids: optional(restaurantIds).meta({
      description: 'Restaurants whose events are delivered; default all that you can access',
    }),
    description: optional(description),
  })
  .meta({ id: 'AddWebhook', description: 'Webhook to add' })

export const changeWebhookBody = z
  .strictObject({
    url: url.optional(),
    event_types: eventTypes.optional(),
    restaurant_ids: restaurantIds.optional().meta({ description: 'Restaurants whose events are delivered' }),
    description: description.nullable().optional(),
    status: webhookStatus.optional().meta({
      description:
        'DISABLED: nothing is sent, and pending deliveries are discarded; ACTIVE: events from now on are delivered',
      example: 'ACTIVE',
    }),
  })
  .refine(body => Object.keys(body).length > 0, 'must have at least one property')
  .meta({ id: 'ChangeWebhook', minProperties: 1, description: 'Properties of a webhook to change' })

const optionalTimestamp = (meaning: string) => timestamp(meaning).nullable()

export const webhookReply = z
  .object({
    webhook_id: webhookId,
    url: z.string().meta(ofUrl),
    event_types: eventTypes,
    restaurant_ids: z
      .array(restaurantId)
      .nullable()
      .meta({ description: 'Restaurants whose events are delivered; null: all' }),
    description: z.string().nullable().meta(ofDescription),
    status: webhookStatus,
    disabled_reason: disabledReason
      .nullable()
      .meta({ description: 'Why the webhook is disabled; null: it is not', example: null }),
    disabled_at: optionalTimestamp('Time at which the webhook was disabled'),
    failing_since: optionalTimestamp('Time of the first failure since the last success'),
    last_success_at: optionalTimestamp('Approximate time of the last successful delivery'),
    paused_at: optionalTimestamp(
      'Time at which an operator paused the webhook: deliveries wait until it is resumed; null: it is not paused',
    ),
    created_at: timestamp('Time of creation'),
    updated_at: timestamp('Time of the last change'),
  })
  .meta({ id: 'Webhook', description: 'Subscription of a URL to events' })

const secret = z
  .string()
  .regex(/^whsec_[A-Za-z0-9+/]{43}=$/)
  .meta({
    description:
      'Secret that signs the deliveries (Standard Webhooks). It is returned only in this response: store it',
    example: 'whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=',
  })

export const addedWebhookReply = webhookReply
  .extend({ secret })
  .meta({ id: 'AddedWebhook', description: 'Added webhook with its secret' })

export const rotatedSecretReply = z
  .object({
    webhook_id: webhookId,
    secret,
    previous_secret_until: timestamp(
      `Time until which deliveries are also signed with the previous secret, ${SECRET_OVERLAP_HOURS} hours from now`,
    ),
  })
  .meta({ id: 'RotatedSecret', description: 'New secret of a webhook' })

const attemptReply = z
  .object({
    at: timestamp('Time of the attempt'),
    status: z
      .int()
      .nullable()
      .meta({ description: 'HTTP status of the response; null: none was received', example: 503 }),
    duration_ms: wholeNumber(0, 60_000).meta({
      description: 'Milliseconds until the response, or until the attempt was aborted',
      example: 41,
    }),
    answer: z
      .string()
      .nullable()
      .meta({ description: 'First bytes of the response body', example: 'try later' }),
    error: z.string().nullable().meta({ description: 'Reason why no response was received', example: null }),
  })
  .meta({ id: 'DeliveryAttempt', description: 'One attempt at a delivery' })

export const deliveryReply = z
  .object({
    delivery_id: deliveryId.meta({
      description: 'Id of the delivery, sent as `webhook-id` with every attempt',
    }),
    webhook_id: webhookId,
    event_id: id('event', demoIds.delivery),
    type: z.string().meta({ description: 'Type of the event', example: 'order.placed.v1' }),
    order_id: id('order of the event', demoIds.order).nullable(),
    state: z.enum(['PENDING', 'DELIVERED', 'DEAD', 'DISCARDED']).meta({
      id: 'DeliveryState',
      description:
        'PENDING: being sent, or waiting for a retry or for an earlier event of the order; DELIVERED: the endpoint responded 2xx; DEAD: all attempts failed; DISCARDED: no longer sent, see `reason`',
    }),
    reason: z.string().nullable().meta({ description: 'Reason why the delivery was discarded' }),
    created_at: timestamp('Time of creation'),
    settled_at: optionalTimestamp('Time at which the delivery was finished'),
    next_attempt_at: optionalTimestamp(
      'Time from which the next attempt is made; null: none, or after an earlier event of the order',
    ),
    attempt_count: wholeNumber(0, 1_000_000).meta({ description: 'Number of attempts so far', example: 2 }),
    attempts: z.array(attemptReply).meta({ description: 'Latest attempts, newest first' }),
  })
  .meta({ id: 'Delivery', description: 'Delivery of an event to a webhook, with its attempts' })

export type WebhookReply = z.infer<typeof webhookReply>
export type AddedWebhookReply = z.infer<typeof addedWebhookReply>
export type RotatedSecretReply = z.infer<typeof rotatedSecretReply>
export type DeliveryReply = z.infer<typeof deliveryReply>

/** Renders a webhook without its secret, which only the responses that create one contain. */
export function presentWebhook(webhook: Webhook): WebhookReply {
  const { webhook_id, url, event_types, restaurant_ids, description, status, disabled_reason } = webhook
  return {
    webhook_id,
    url,
    event_types,
    restaurant_ids,
    description,
    status,
    disabled_reason,
    disabled_at: iso(webhook.disabled_at),
    failing_since: iso(webhook.failing_since),
    last_success_at: iso(webhook.last_success_at),
    paused_at: iso(webhook.paused_at),
    created_at: webhook.created_at.toISOString(),
    updated_at: webhook.updated_at.toISOString(),
  }
}

export function presentDelivery(delivery: Delivery): DeliveryReply {
  const { delivery_id, webhook_id, event_id, type, order_id, state, reason, attempts, recent } = delivery
  return {
    delivery_id,
    webhook_id,
    event_id,
    type,
    order_id,
    state,
    reason,
    created_at: delivery.created_at.toISOString(),
    settled_at: iso(delivery.settled_at),
    next_attempt_at: iso(delivery.next_attempt_at),
    attempt_count: attempts,
    attempts: recent.map(({ at, ...rest }) => ({ at: new Date(at).toISOString(), ...rest })),
  }
}

function iso(time: Date | null): string | null {
  return time?.toISOString() ?? null
}

export const deliveryExample: DeliveryReply = {
  delivery_id: demoIds.delivery,
  webhook_id: demoIds.webhook,
  event_id: '019a0000-0000-7000-8000-000000000221',
  type: 'order.placed.v1',
  order_id: demoIds.order,
  state: 'PENDING',
  reason: null,
  created_at: '2026-11-22T18:30:00.000Z',
  settled_at: null,
  next_attempt_at: '2026-11-22T18:35:00.000Z',
  attempt_count: 1,
  attempts: [
    { at: '2026-11-22T18:30:00.000Z', status: 503, duration_ms: 41, answer: 'try later', error: null },
  ],
}
