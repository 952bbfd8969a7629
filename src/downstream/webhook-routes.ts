import { z } from 'zod'
import type { Database } from '../db/database.ts'
import type { Tx } from '../db/transaction.ts'
import type { Caller } from '../http/caller.ts'
import type { Cursors } from '../http/cursor.ts'
import { etagOf } from '../http/etag.ts'
import { answerOnce } from '../http/idempotency.ts'
import { pageHeaders, readPage } from '../http/page.ts'
import { type Route, route } from '../http/route.ts'
import type { RouteReply } from '../http/route-reply.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { NotFound } from '../platform/errors.ts'
import { listDeliveries, redeliver, sendTest } from './deliveries.ts'
import {
  type AddedWebhookReply,
  addedWebhookReply,
  addWebhookBody,
  changeWebhookBody,
  type DeliveryReply,
  deliveryParams,
  deliveryReply,
  listQuery,
  presentDelivery,
  presentWebhook,
  type RotatedSecretReply,
  rotatedSecretReply,
  type WebhookReply,
  webhookParams,
  webhookReply,
} from './webhook-contract.ts'
import {
  addWebhook,
  changeWebhook,
  deleteWebhook,
  listWebhooks,
  readWebhook,
  rotateSecret,
  type Webhook,
} from './webhooks.ts'

export interface WebhookRoutesOptions {
  database: Database
  cursors: Cursors
  /** development: webhooks may lead to private addresses, and over plain `http` */
  allowPrivateWebhooks: boolean
}

/** Subscriptions to events, and what became of each delivery. */
export function webhookRoutes({ database, cursors, allowPrivateWebhooks }: WebhookRoutesOptions): Route[] {
  const options = { allowPrivate: allowPrivateWebhooks }
  return [
    route({
      method: 'post',
      path: '/api/v1/webhooks',
      operationId: 'addWebhook',
      scope: 'webhooks:write',
      summary: 'Have events sent to a URL',
      description:
        'Every event that is committed after the answer is sent: signed (Standard Webhooks), at least once, those of an order in their order. ' +
        'Any 2xx within 15 s takes it; what is not taken is tried about 10 times over 3 days. 410 disables the webhook.',
      tag: 'Webhooks',
      body: addWebhookBody,
      status: 201,
      statusDescription: 'Added; the secret is shown this once',
      replySchema: addedWebhookReply,
      replyExample: { ...webhookExample, secret: secretExample } satisfies AddedWebhookReply,
      errors: [
        invalidUrl,
        {
          code: 'restaurant-not-found',
          detail: `No restaurant has the id ${demoIds.order}`,
          fields: { id: demoIds.order },
        },
      ],
      handle: ({ body, caller, idempotency }) =>
        answerOnce(database, idempotency, 201, async tx => {
          const { webhook, secret } = await addWebhook(tx, caller, body, options)
          return { body: { ...presentWebhook(webhook), secret } }
        }),
    }),
    route({
      method: 'get',
      path: '/api/v1/webhooks',
      operationId: 'listWebhooks',
      scope: 'webhooks:read',
      summary: 'List webhooks',
      description: 'In the order they were added, in pages: follow `Link`.',
      tag: 'Webhooks',
      query: listQuery,
      status: 200,
      statusDescription: 'A page of webhooks',
      replySchema: z.array(webhookReply),
      replyExample: [webhookExample],
      optionalReplyHeaders: pageHeaders,
      errors: [],
      handle: ({ path, query, caller }) =>
        readPage({
          cursors,
          path,
          query,
          read: (after, count) => listWebhooks(database, caller, after?.[0], count),
          positionOf: ({ webhook_id }) => [webhook_id],
          present: presentWebhook,
        }),
    }),
    route({
      method: 'get',
      path: '/api/v1/webhooks/{webhook_id}',
      operationId: 'getWebhook',
      scope: 'webhooks:read',
      summary: 'Look at a webhook',
      description: 'Whether it is active, and how it has been doing.',
      tag: 'Webhooks',
      params: webhookParams,
      resource: 'webhook',
      status: 200,
      statusDescription: 'The webhook',
      replySchema: webhookReply,
      replyExample: webhookExample,
      replyHeaders: versionHeader,
      errors: [noWebhook],
      handle: async ({ params: { webhook_id }, caller }) =>
        webhookReplyOf(await readWebhook(database, caller, webhook_id)),
    }),
    route({
      method: 'patch',
      path: '/api/v1/webhooks/{webhook_id}',
      operationId: 'changeWebhook',
      scope: 'webhooks:write',
      summary: 'Change, disable or enable a webhook',
      description:
        'Disabled, nothing is sent and what waits is discarded. Active again, it hears of what is committed from then on.',
      tag: 'Webhooks',
      params: webhookParams,
      resource: 'webhook',
      body: changeWebhookBody,
      status: 200,
      statusDescription: 'The webhook as it is now',
      replySchema: webhookReply,
      replyExample: webhookExample,
      replyHeaders: versionHeader,
      conditional: true,
      errors: [invalidUrl, noWebhook],
      handle: ({ params: { webhook_id }, body, caller, versions, idempotency }) =>
        answerOnce(database, idempotency, 200, async tx =>
          webhookReplyOf(await changeWebhook(tx, caller, webhook_id, body, versions, options)),
        ),
    }),
    route({
      method: 'post',
      path: '/api/v1/webhooks/{webhook_id}/rotate-secret',
      operationId: 'rotateWebhookSecret',
      scope: 'webhooks:write',
      summary: 'Give a webhook a new secret',
      description:
        'For 24 hours deliveries are signed with the new and the previous one; a secret before that is good for nothing at once.',
      tag: 'Webhooks',
      params: webhookParams,
      resource: 'webhook',
      status: 200,
      statusDescription: 'Rotated; the secret is shown this once',
      replySchema: rotatedSecretReply,
      replyExample: {
        webhook_id: demoIds.webhook,
        secret: secretExample,
        previous_secret_until: '2026-11-23T18:00:00.000Z',
      } satisfies RotatedSecretReply,
      errors: [noWebhook],
      handle: ({ params: { webhook_id }, caller, idempotency }) =>
        answerOnce(database, idempotency, 200, async tx => {
          const { secret, previous_secret_until } = await rotateSecret(tx, caller, webhook_id)
          const until = previous_secret_until.toISOString()
          return { body: { webhook_id, secret, previous_secret_until: until } }
        }),
    }),
    route({
      method: 'post',
      path: '/api/v1/webhooks/{webhook_id}/test',
      operationId: 'testWebhook',
      scope: 'webhooks:write',
      summary: 'Send a test event to a webhook',
      description:
        'A `webhook.test`, signed as any event, sent once and whether the webhook is active or not. Look at its deliveries for what came of it.',
      tag: 'Webhooks',
      params: webhookParams,
      resource: 'webhook',
      status: 202,
      statusDescription: 'It will be sent',
      replySchema: deliveryReply,
      replyExample: deliveryExample,
      errors: [noWebhook],
      handle: ({ params: { webhook_id }, caller, idempotency }) =>
        answerOnce(database, idempotency, 202, async tx => {
          await readWebhook(tx, caller, webhook_id)
          return { body: presentDelivery(await sendTest(tx, webhook_id)) }
        }),
    }),
    route({
      method: 'get',
      path: '/api/v1/webhooks/{webhook_id}/deliveries',
      operationId: 'listWebhookDeliveries',
      scope: 'webhooks:read',
      summary: 'List deliveries of a webhook',
      description:
        'The newest first, each with its attempts: status, duration and the first bytes of the answer. Kept 30 days. In pages: follow `Link`.',
      tag: 'Webhooks',
      params: webhookParams,
      resource: 'webhook',
      query: listQuery,
      status: 200,
      statusDescription: 'A page of deliveries',
      replySchema: z.array(deliveryReply),
      replyExample: [deliveryExample],
      optionalReplyHeaders: pageHeaders,
      errors: [noWebhook],
      handle: async ({ params: { webhook_id }, path, query, caller }) => {
        await readWebhook(database, caller, webhook_id)
        return await readPage({
          cursors,
          path,
          query,
          read: (before, count) => listDeliveries(database, webhook_id, before?.[0], count),
          positionOf: ({ delivery_id }) => [delivery_id],
          present: presentDelivery,
        })
      },
    }),
    route({
      method: 'post',
      path: '/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver',
      operationId: 'redeliverWebhookDelivery',
      scope: 'webhooks:write',
      summary: 'Send a delivery again',
      description:
        'Under the same `webhook-id`, so that a receiver that has it knows it. One that waits is tried at once. Sent once if the webhook is disabled.',
      tag: 'Webhooks',
      params: deliveryParams,
      resource: 'delivery',
      status: 202,
      statusDescription: 'It will be sent',
      replySchema: deliveryReply,
      replyExample: deliveryExample,
      errors: [
        {
          code: 'delivery-not-found',
          detail: `No delivery has the id ${demoIds.order}`,
          fields: { id: demoIds.order },
        },
      ],
      handle: ({ params: { webhook_id, delivery_id }, caller, idempotency }) =>
        answerOnce(database, idempotency, 202, async tx => {
          await requireDelivery(tx, caller, webhook_id, delivery_id)
          return { body: presentDelivery(await redeliver(tx, webhook_id, delivery_id)) }
        }),
    }),
    route({
      method: 'delete',
      path: '/api/v1/webhooks/{webhook_id}',
      operationId: 'deleteWebhook',
      scope: 'webhooks:write',
      summary: 'Delete a webhook',
      description: 'What waits is discarded. Its secrets are forgotten at once.',
      tag: 'Webhooks',
      params: webhookParams,
      resource: 'webhook',
      status: 204,
      statusDescription: 'Deleted',
      errors: [noWebhook],
      handle: ({ params: { webhook_id }, caller, idempotency }) =>
        answerOnce(database, idempotency, 204, async tx => {
          await deleteWebhook(tx, caller, webhook_id)
          return { body: null }
        }),
    }),
  ]
}

/** @throws NotFound about the delivery, whichever of the two is not there for this caller */
async function requireDelivery(tx: Tx, caller: Caller, webhookId: string, deliveryId: string): Promise<void> {
  try {
    await readWebhook(tx, caller, webhookId)
  } catch (error) {
    throw error instanceof NotFound ? new NotFound('delivery', deliveryId) : error
  }
}

function webhookReplyOf(webhook: Webhook): RouteReply<WebhookReply> {
  return { body: presentWebhook(webhook), headers: { ETag: etagOf(webhook.version) } }
}

const versionHeader = { ETag: 'Version of the webhook, for `If-Match`; deliveries do not change it' }

const invalidUrl = {
  code: 'validation-failed' as const,
  detail: '/url: must lead to a public host',
  fields: { errors: [{ pointer: '/url', detail: 'must lead to a public host' }] },
}

const noWebhook = {
  code: 'webhook-not-found' as const,
  detail: `No webhook has the id ${demoIds.order}`,
  fields: { id: demoIds.order },
}

const secretExample = 'whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE='

const webhookExample: WebhookReply = {
  webhook_id: demoIds.webhook,
  url: 'https://example.com/hooks/comanda',
  event_types: ['order.*'],
  restaurant_ids: [demoIds.restaurant],
  description: 'the kitchen display',
  status: 'ACTIVE',
  disabled_reason: null,
  disabled_at: null,
  failing_since: null,
  last_success_at: '2026-11-22T18:30:00.000Z',
  created_at: '2026-11-22T18:00:00.000Z',
  updated_at: '2026-11-22T18:00:00.000Z',
}

const deliveryExample: DeliveryReply = {
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
