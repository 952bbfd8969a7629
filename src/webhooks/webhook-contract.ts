import { z } from 'zod'
import { id, text, timestamp, wholeNumber } from '../http/schema-fields.ts'
import { demoIds } from '../platform/demo-ids.ts'
import type { Delivery, DeliveryState } from './deliveries.ts'
import { EVERY_EVENT, isEventPattern } from './event-pattern.ts'
import { SECRET_OVERLAP_HOURS } from './webhook-secret.ts'
import { MAX_URL_LENGTH } from './webhook-url.ts'
import type { Webhook } from './webhooks.ts'

/** The shapes of webhooks and their deliveries on the wire. */

const MAX_PATTERN_COUNT = 50
const MAX_RESTAURANT_COUNT = 1_000

const webhookId = id('webhook', demoIds.webhook)
const deliveryId = id('delivery', demoIds.delivery)
const restaurantId = id('restaurant', demoIds.restaurant)

const NOT_A_PATTERN =
  'must be a type of event like order.placed.v1, the beginning of one like order.*, or * for all; see /asyncapi.json for what there is'

const url = text(MAX_URL_LENGTH).meta({
  description: 'Where to: `https`, on a public host, without credentials',
  example: 'https://example.com/hooks/comanda',
})
const eventTypes = z
  .array(
    z.string({ error: 'must be a string' }).refine(isEventPattern, NOT_A_PATTERN).meta({
      description: 'A type, or the beginning of one with `*`',
      example: 'order.*',
    }),
    { error: 'must be a list' },
  )
  .min(1, 'must not be empty')
  .max(MAX_PATTERN_COUNT, `must not have more than ${MAX_PATTERN_COUNT} entries`)
  .meta({ description: 'Which events; `*` is all' })
const restaurantIds = z
  .array(restaurantId, { error: 'must be a list' })
  .min(1, 'must not be empty')
  .max(MAX_RESTAURANT_COUNT, `must not have more than ${MAX_RESTAURANT_COUNT} entries`)
const description = text(200).meta({
  description: 'What it is for, in your words',
  example: 'the kitchen display',
})

export const webhookParams = z.strictObject({ webhook_id: webhookId })
export const deliveryParams = z.strictObject({ webhook_id: webhookId, delivery_id: deliveryId })

export const addWebhookBody = z
  .strictObject({
    url,
    event_types: eventTypes.default([EVERY_EVENT]),
    restaurant_ids: restaurantIds
      .optional()
      .meta({ description: 'Only events of these; left out, of every restaurant that you see' }),
    description: description.optional(),
  })
  .meta({ id: 'AddWebhook' })

export const changeWebhookBody = z
  .strictObject({
    url: url.optional(),
    event_types: eventTypes.optional(),
    restaurant_ids: restaurantIds.optional().meta({ description: 'Only events of these' }),
    description: description
      .nullable()
      .optional()
      .meta({ description: 'What it is for, in your words', example: 'the kitchen display' }),
    status: z.enum(['ACTIVE', 'DISABLED'], { error: 'must be one of ACTIVE, DISABLED' }).optional().meta({
      description: 'DISABLED: nothing is sent, and what waits is discarded; ACTIVE: from now on again',
      example: 'ACTIVE',
    }),
  })
  .refine(body => Object.keys(body).length > 0, 'must have at least one property')
  .meta({ id: 'ChangeWebhook', minProperties: 1 })

const when = (what: string) => timestamp(what).nullable()

export const webhookReply = z
  .object({
    webhook_id: webhookId,
    url,
    event_types: eventTypes,
    restaurant_ids: z
      .array(restaurantId)
      .nullable()
      .meta({ description: 'Only events of these; null: of all restaurants' }),
    description: description.nullable(),
    status: z.enum(['ACTIVE', 'DISABLED']).meta({ example: 'ACTIVE' }),
    disabled_reason: z.enum(['BY_OWNER', 'FAILING', 'GONE']).nullable().meta({
      description:
        'BY_OWNER: by a PATCH; FAILING: nothing has arrived for too long; GONE: it has answered 410',
    }),
    disabled_at: when('Since when nothing is sent'),
    failing_since: when('The first failure after the last success'),
    last_success_at: when('About when something last arrived'),
    created_at: timestamp('When it was added'),
    updated_at: timestamp('When it was last changed'),
  })
  .meta({ id: 'Webhook' })

const secret = z
  .string()
  .regex(/^whsec_[A-Za-z0-9+/]{43}=$/)
  .meta({
    description: 'What deliveries are signed with (Standard Webhooks). Shown this once: keep it',
    example: 'whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=',
  })

export const addedWebhookReply = webhookReply.extend({ secret }).meta({ id: 'AddedWebhook' })

export const rotatedSecretReply = z
  .object({
    webhook_id: webhookId,
    secret,
    previous_secret_until: timestamp(
      `Until then deliveries are signed with the previous secret, too: ${SECRET_OVERLAP_HOURS} hours`,
    ),
  })
  .meta({ id: 'RotatedSecret' })

const attemptReply = z
  .object({
    at: timestamp('When it was sent'),
    status: z.int().nullable().meta({ description: 'What was answered; null: nothing', example: 503 }),
    duration_ms: wholeNumber(0, 60_000).meta({ description: 'Until the answer, or giving up', example: 41 }),
    answer: z
      .string()
      .nullable()
      .meta({ description: 'The first bytes of the answer', example: 'try later' }),
    error: z.string().nullable().meta({ description: 'Why there was no answer', example: null }),
  })
  .meta({ id: 'DeliveryAttempt' })

export const deliveryReply = z
  .object({
    delivery_id: deliveryId.meta({ description: 'Also the `webhook-id` of each attempt' }),
    webhook_id: webhookId,
    event_id: id('event', demoIds.delivery),
    type: z.string().meta({ description: 'Type of the event', example: 'order.placed.v1' }),
    order_id: id('order that it is about', demoIds.order).nullable(),
    state: z.enum(['PENDING', 'DELIVERED', 'DEAD', 'DISCARDED']).meta({
      description:
        'PENDING: on its way, or waiting for an earlier event of its order; DEAD: its attempts are used up; DISCARDED: given up for a reason',
    }),
    reason: z.string().nullable().meta({ description: 'Why it was discarded' }),
    created_at: timestamp('When it was taken up'),
    settled_at: when('When it stopped being PENDING'),
    next_attempt_at: when('When it is tried again'),
    attempt_count: wholeNumber(0, 1_000_000).meta({ description: 'Attempts so far', example: 2 }),
    attempts: z.array(attemptReply).meta({ description: 'The latest of them, newest first' }),
  })
  .meta({ id: 'Delivery' })

export type WebhookReply = z.infer<typeof webhookReply>
export type AddedWebhookReply = z.infer<typeof addedWebhookReply>
export type RotatedSecretReply = z.infer<typeof rotatedSecretReply>
export type DeliveryReply = z.infer<typeof deliveryReply>

/** Without its secret: that is shown by whoever has just made it. */
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
    created_at: webhook.created_at.toISOString(),
    updated_at: webhook.updated_at.toISOString(),
  }
}

/** What keeps a delivery waiting is of no concern outside. */
export function presentState(state: DeliveryState): DeliveryReply['state'] {
  return state === 'QUEUED' || state === 'AWAITS_TURN' || state === 'AWAITS_ROOM' ? 'PENDING' : state
}

export function presentDelivery(delivery: Delivery): DeliveryReply {
  const { delivery_id, webhook_id, event_id, type, order_id, state, reason, attempts, recent } = delivery
  return {
    delivery_id,
    webhook_id,
    event_id,
    type,
    order_id,
    state: presentState(state),
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
