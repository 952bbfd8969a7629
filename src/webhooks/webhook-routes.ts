import type { Database } from '../db/database.ts'
import type { Cursors } from '../http/cursor.ts'
import { withIdempotency } from '../http/idempotency.ts'
import { listOf, readPage } from '../http/pagination.ts'
import { type Route, route } from '../http/route.ts'
import type { RouteReply } from '../http/route-reply.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { ValidationFailed } from '../platform/errors.ts'
import { newIdInOneOf, newIdInSlotOf } from '../platform/slots.ts'
import {
  type AddedWebhookReply,
  addedWebhookReply,
  addWebhookBody,
  changeWebhookBody,
  presentWebhook,
  type RotatedSecretReply,
  rotatedSecretReply,
  type WebhookReply,
  webhookParams,
  webhookReply,
} from './webhook-contract.ts'
import { listWebhooks, readWebhook, type Webhook, webhookTagOf } from './webhook-queries.ts'
import { NOT_PUBLIC } from './webhook-url.ts'
import { addWebhook, changeWebhook, deleteWebhook, rotateSecret } from './webhooks.ts'

export interface WebhookRoutesOptions {
  database: Database
  cursors: Cursors
  /** development: allows private addresses and plain `http` */
  allowPrivateWebhooks: boolean
  /** slots that this API serves, one of which a new webhook gets; undefined means all */
  servedSlots: ReadonlySet<string> | undefined
}

/** Operations on webhooks. Their deliveries are in delivery-routes.ts. */
export function webhookRoutes({
  database,
  cursors,
  allowPrivateWebhooks,
  servedSlots,
}: WebhookRoutesOptions): Route[] {
  const options = { allowPrivate: allowPrivateWebhooks }
  return [
    route({
      method: 'post',
      path: '/api/v1/webhooks',
      operationId: 'addWebhook',
      scope: 'webhooks:write',
      summary: 'Add a webhook',
      description:
        'Subscribes a URL to events. Every matching event that is committed after this response is delivered: ' +
        'signed (Standard Webhooks), at least once, in order for each order. ' +
        'Respond with 2xx within 15 s to accept a delivery; otherwise it is retried about 10 times over 3 days. ' +
        'Responding with 410 disables the webhook.',
      tag: 'Webhooks',
      body: addWebhookBody,
      status: 201,
      statusDescription: 'The new webhook with its secret, which is not returned again',
      replySchema: addedWebhookReply,
      replyExample: { ...webhookExample, secret: secretExample } satisfies AddedWebhookReply,
      errors: [invalidUrl, 'restaurant-not-found'],
      handle: ({ body, caller, idempotency }) =>
        withIdempotency(database, idempotency, 201, async tx => {
          const [restaurant] = body.restaurant_ids ?? []
          const webhook_id = restaurant ? newIdInSlotOf(restaurant) : newIdInOneOf(servedSlots)
          const { webhook, secret } = await addWebhook(tx, caller, { webhook_id, ...body }, options)
          return { body: { ...presentWebhook(webhook), secret } }
        }),
    }),
    route({
      ...listOf(webhookReply, webhookExample),
      path: '/api/v1/webhooks',
      operationId: 'listWebhooks',
      scope: 'webhooks:read',
      summary: 'List webhooks',
      description:
        'Returns webhooks in the order in which they were added. To read further pages, follow the `Link` header.',
      tag: 'Webhooks',
      statusDescription: 'A page of webhooks',
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
      summary: 'Get a webhook',
      description:
        'Returns the webhook with its status, its last success and, if it is failing or an operator paused it, since when.',
      tag: 'Webhooks',
      params: webhookParams,
      resource: 'webhook',
      status: 200,
      statusDescription: 'The webhook',
      replySchema: webhookReply,
      replyExample: webhookExample,
      replyHeaders: versionHeader,
      conditional: true,
      errors: ['webhook-not-found'],
      handle: async ({ params: { webhook_id }, caller }) =>
        webhookReplyOf(await readWebhook(database, caller, webhook_id)),
    }),
    route({
      method: 'patch',
      path: '/api/v1/webhooks/{webhook_id}',
      operationId: 'changeWebhook',
      scope: 'webhooks:write',
      summary: 'Update, disable or enable a webhook',
      description:
        'Changes the properties that are sent; all others stay unchanged. While a webhook is DISABLED, nothing is sent and pending deliveries are discarded. Once it is ACTIVE again, events that are committed from then on are delivered.',
      tag: 'Webhooks',
      params: webhookParams,
      resource: 'webhook',
      body: changeWebhookBody,
      status: 200,
      statusDescription: 'The webhook after the change',
      replySchema: webhookReply,
      replyExample: webhookExample,
      replyHeaders: versionHeader,
      conditional: true,
      errors: [invalidUrl, 'webhook-not-found'],
      handle: ({ params: { webhook_id }, body, caller, precondition, idempotency }) =>
        withIdempotency(database, idempotency, 200, async tx =>
          webhookReplyOf(await changeWebhook(tx, caller, webhook_id, body, precondition, options)),
        ),
    }),
    route({
      method: 'post',
      path: '/api/v1/webhooks/{webhook_id}/rotate-secret',
      operationId: 'rotateWebhookSecret',
      scope: 'webhooks:write',
      summary: 'Rotate the secret of a webhook',
      description:
        'Creates a new secret. The previous secret stays valid for 24 hours, also after further rotations: deliveries are signed with every valid secret. At most 5 secrets are valid at once.',
      tag: 'Webhooks',
      params: webhookParams,
      resource: 'webhook',
      status: 200,
      statusDescription: 'The new secret, which is not returned again',
      replySchema: rotatedSecretReply,
      replyExample: {
        webhook_id: demoIds.webhook,
        secret: secretExample,
        previous_secret_until: '2026-11-23T18:00:00.000Z',
      } satisfies RotatedSecretReply,
      conditional: true,
      errors: ['webhook-not-found', 'too-many-secrets'],
      handle: ({ params: { webhook_id }, caller, precondition, idempotency }) =>
        withIdempotency(database, idempotency, 200, async tx => {
          const { secret, previous_secret_until } = await rotateSecret(tx, caller, webhook_id, precondition)
          const until = previous_secret_until.toISOString()
          return { body: { webhook_id, secret, previous_secret_until: until } }
        }),
    }),
    route({
      method: 'delete',
      path: '/api/v1/webhooks/{webhook_id}',
      operationId: 'deleteWebhook',
      scope: 'webhooks:write',
      summary: 'Delete a webhook',
      description: 'Deletes the webhook and its secrets. Pending deliveries are discarded.',
      tag: 'Webhooks',
      params: webhookParams,
      resource: 'webhook',
      status: 204,
      statusDescription: 'Deleted',
      conditional: true,
      errors: ['webhook-not-found'],
      handle: ({ params: { webhook_id }, caller, precondition, idempotency }) =>
        withIdempotency(database, idempotency, 204, async tx => {
          await deleteWebhook(tx, caller, webhook_id, precondition)
          return { body: null }
        }),
    }),
  ]
}

function webhookReplyOf(webhook: Webhook): RouteReply<WebhookReply> {
  return { body: presentWebhook(webhook), headers: { ETag: webhookTagOf(webhook) } }
}

const versionHeader = {
  ETag: 'Version and time of the last change, delivery or pause. `If-Match` compares only the version, which deliveries and pauses do not change; `If-None-Match` compares both',
}

const invalidUrl = new ValidationFailed([{ pointer: '/url', detail: NOT_PUBLIC }])

const secretExample = 'whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE='

const webhookExample: WebhookReply = {
  webhook_id: demoIds.webhook,
  url: 'https://hooks.example/comanda',
  event_types: ['order.*'],
  restaurant_ids: [demoIds.restaurant],
  description: 'the kitchen display',
  status: 'ACTIVE',
  disabled_reason: null,
  disabled_at: null,
  failing_since: null,
  last_success_at: '2026-11-22T18:30:00.000Z',
  paused_at: null,
  created_at: '2026-11-22T18:00:00.000Z',
  updated_at: '2026-11-22T18:00:00.000Z',
}
