import { z } from 'zod'
import type { Route } from '../../http/route.ts'
import { id } from '../../http/schema-fields.ts'
import { demoIds } from '../../platform/demo-ids.ts'
import {
  deliveryExample,
  deliveryReply,
  presentDelivery,
  webhookParams,
} from '../../webhooks/webhook-contract.ts'
import { pauseWebhook, redeliverDelivery, resumeWebhook, testWebhook } from '../actions/pause-webhook.ts'
import { changeBody, opsChange } from './ops-change.ts'
import type { OpsRoutesOptions } from './ops-route.ts'

/** Changes of webhooks and single deliveries. */
export function webhookChanges(options: OpsRoutesOptions): Route[] {
  return [
    switchRoute(options, true),
    switchRoute(options, false),
    testRoute(options),
    redeliverRoute(options),
  ]
}

const switchedWebhook = z
  .object({
    webhook_id: id('webhook', demoIds.webhook),
    paused: z.boolean().meta({ description: 'Whether the webhook is paused now', example: true }),
    changed: z.boolean().meta({ description: 'false: it was so before', example: true }),
  })
  .meta({ id: 'OpsSwitchedWebhook', description: 'A webhook that was paused or resumed' })

function switchRoute(options: OpsRoutesOptions, paused: boolean): Route {
  return opsChange(options, {
    path: `/api/v1/ops/webhooks/{webhook_id}/${paused ? 'pause' : 'resume'}`,
    operationId: paused ? 'pauseOpsWebhook' : 'resumeOpsWebhook',
    summary: paused ? 'Pause a webhook' : 'Resume a webhook',
    description: paused
      ? 'Workers send no more deliveries of the webhook, after those in flight. Deliveries wait, and none is lost.'
      : 'Workers send the deliveries of the webhook again. A DISABLED webhook stays DISABLED.',
    params: webhookParams,
    resource: 'webhook',
    body: changeBody,
    status: 200,
    statusDescription: paused ? 'The webhook is paused' : 'The webhook is not paused',
    replySchema: switchedWebhook,
    replyExample: { webhook_id: demoIds.webhook, paused, changed: true },
    errors: ['webhook-not-found'],
    change: async (tx, { params: { webhook_id }, operator }) => {
      const changed = await (paused ? pauseWebhook : resumeWebhook)(tx, webhook_id, operator)
      return { body: { webhook_id, paused, changed } }
    },
  })
}

const testRoute = (options: OpsRoutesOptions) =>
  opsChange(options, {
    path: '/api/v1/ops/webhooks/{webhook_id}/test',
    operationId: 'testOpsWebhook',
    summary: 'Send a test event to a webhook of any owner',
    description:
      'Sends a signed `webhook.test` event asynchronously, once, even when the webhook is disabled. A paused webhook is not sent any.',
    params: webhookParams,
    resource: 'webhook',
    body: changeBody,
    status: 202,
    statusDescription: 'The test delivery is committed and will be sent',
    replySchema: deliveryReply,
    replyExample: deliveryExample,
    errors: ['webhook-not-found', 'change-refused'],
    change: async (tx, { params: { webhook_id }, operator }) => ({
      body: presentDelivery(await testWebhook(tx, webhook_id, operator)),
    }),
  })

const redeliverRoute = (options: OpsRoutesOptions) =>
  opsChange(options, {
    path: '/api/v1/ops/deliveries/{delivery_id}/redeliver',
    operationId: 'redeliverOpsDelivery',
    summary: 'Redeliver an event to a webhook of any owner',
    description:
      'Sends a delivery again asynchronously, with the same `webhook-id`, so that the endpoint can deduplicate. A delivery that waits for a retry is attempted at once.',
    params: z.strictObject({ delivery_id: id('delivery', demoIds.delivery) }),
    resource: 'delivery',
    body: changeBody,
    status: 202,
    statusDescription: 'The redelivery is committed and will be sent',
    replySchema: deliveryReply,
    replyExample: deliveryExample,
    errors: ['delivery-not-found'],
    change: async (tx, { params: { delivery_id }, operator }) => ({
      body: presentDelivery(await redeliverDelivery(tx, delivery_id, operator)),
    }),
  })
