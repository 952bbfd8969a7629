import type { Tx } from '../db/transaction.ts'
import { ANYONE } from '../platform/caller.ts'
import { demoIds } from '../platform/demo-ids.ts'
import { TEST_EVENT } from './deliveries.ts'
import { addWebhook, changeWebhook } from './webhooks.ts'

/** The endpoint of `npm run receiver`. */
const RECEIVER_URL = 'http://127.0.0.1:8787/'

/**
 * Adds a webhook with one delivery, under the ids of the documented examples. It is disabled, so
 * that nothing is sent until a client enables it. Runs together with addDemoMenu.
 */
export async function addDemoWebhook(tx: Tx): Promise<void> {
  const { webhook: webhook_id, restaurant } = demoIds
  const webhook = { webhook_id, url: RECEIVER_URL, event_types: ['*'], restaurant_ids: [restaurant] }
  const options = { allowPrivate: true }
  await addWebhook(tx, ANYONE, { ...webhook, description: 'npm run receiver' }, options)
  await changeWebhook(tx, ANYONE, webhook_id, { status: 'DISABLED' }, undefined, options)
  await tx.execute(deliverySql, [demoIds.delivery, webhook_id, TEST_EVENT])
}

const deliverySql = `
  insert into webhook_deliveries (delivery_id, webhook_id, event_id, type, state, reason, next_attempt_at, settled_at)
  values ($1, $2, $1, $3, 'DISCARDED', 'the webhook was disabled', null, clock_timestamp())
`
