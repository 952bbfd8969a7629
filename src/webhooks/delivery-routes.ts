import type { Database } from '../db/database.ts'
import type { Tx } from '../db/transaction.ts'
import type { Cursors } from '../http/cursor.ts'
import { withIdempotency } from '../http/idempotency.ts'
import { listOf, readPage } from '../http/pagination.ts'
import { type Route, route } from '../http/route.ts'
import type { Caller } from '../platform/caller.ts'
import { NotFound } from '../platform/errors.ts'
import { listDeliveries, redeliver, sendTest } from './deliveries.ts'
import {
  deliveryExample,
  deliveryParams,
  deliveryReply,
  presentDelivery,
  webhookParams,
} from './webhook-contract.ts'
import { readWebhook } from './webhook-queries.ts'

/** Operations on the deliveries of a webhook. */
export function deliveryRoutes({ database, cursors }: { database: Database; cursors: Cursors }): Route[] {
  return [
    route({
      method: 'post',
      path: '/api/v1/webhooks/{webhook_id}/test',
      operationId: 'testWebhook',
      scope: 'webhooks:write',
      summary: 'Send a test event to a webhook',
      description:
        'Sends a signed `webhook.test` event asynchronously, once, even when the webhook is disabled. To see the outcome, list the deliveries of the webhook.',
      tag: 'Webhooks',
      params: webhookParams,
      resource: 'webhook',
      status: 202,
      statusDescription: 'The test delivery is committed and will be sent',
      replySchema: deliveryReply,
      replyExample: deliveryExample,
      errors: ['webhook-not-found'],
      handle: ({ params: { webhook_id }, caller, idempotency }) =>
        withIdempotency(database, idempotency, 202, async tx => {
          await readWebhook(tx, caller, webhook_id)
          return { body: presentDelivery(await sendTest(tx, webhook_id)) }
        }),
    }),
    route({
      ...listOf(deliveryReply, deliveryExample),
      path: '/api/v1/webhooks/{webhook_id}/deliveries',
      operationId: 'listWebhookDeliveries',
      scope: 'webhooks:read',
      summary: 'List the deliveries of a webhook',
      description:
        'Returns deliveries, newest first, each with its latest attempts: status, duration and the first bytes of the response. By default, deliveries are kept for 30 days. To read further pages, follow the `Link` header.',
      tag: 'Webhooks',
      params: webhookParams,
      resource: 'webhook',
      statusDescription: 'A page of deliveries',
      errors: ['webhook-not-found'],
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
      summary: 'Redeliver an event',
      description:
        'Sends a delivery again asynchronously, with the same `webhook-id`, so that the endpoint can deduplicate. A delivery that waits for a retry is attempted at once. If the webhook is disabled, the delivery is attempted once.',
      tag: 'Webhooks',
      params: deliveryParams,
      resource: 'delivery',
      status: 202,
      statusDescription: 'The redelivery is committed and will be sent',
      replySchema: deliveryReply,
      replyExample: deliveryExample,
      errors: ['delivery-not-found'],
      handle: ({ params: { webhook_id, delivery_id }, caller, idempotency }) =>
        withIdempotency(database, idempotency, 202, async tx => {
          await assertWebhookOfDelivery(tx, caller, webhook_id, delivery_id)
          return { body: presentDelivery(await redeliver(tx, webhook_id, delivery_id)) }
        }),
    }),
  ]
}

/** @throws NotFound for the delivery, also when the caller cannot access the webhook */
async function assertWebhookOfDelivery(
  tx: Tx,
  caller: Caller,
  webhookId: string,
  deliveryId: string,
): Promise<void> {
  try {
    await readWebhook(tx, caller, webhookId)
  } catch (error) {
    throw error instanceof NotFound ? new NotFound('delivery', deliveryId) : error
  }
}
