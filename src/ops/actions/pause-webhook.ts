import type { Tx } from '../../db/transaction.ts'
import { ChangeRefused, NotFound } from '../../platform/errors.ts'
import { type Delivery, redeliver, sendTest, wakeWorkers } from '../../webhooks/deliveries.ts'
import { audit, type Operator } from './audit.ts'

/**
 * Pauses a webhook: workers send no more of its deliveries, after those in flight. New deliveries
 * are still queued, and none is lost.
 * @returns false when the webhook was paused already
 * @throws NotFound
 */
export async function pauseWebhook(tx: Tx, webhookId: string, operator: Operator): Promise<boolean> {
  if (await lockAndFindPause(tx, webhookId)) return false
  await tx.execute(pauseSql, [webhookId])
  await audit(tx, operator, 'pause webhook', { webhook_id: webhookId })
  return true
}

/** Resumes a webhook. @returns false when the webhook was not paused @throws NotFound */
export async function resumeWebhook(tx: Tx, webhookId: string, operator: Operator): Promise<boolean> {
  if (!(await lockAndFindPause(tx, webhookId))) return false
  await tx.execute(resumeSql, [webhookId])
  await wakeWorkers(tx)
  await audit(tx, operator, 'resume webhook', { webhook_id: webhookId })
  return true
}

/** Sends a test event to a webhook. @throws NotFound; ChangeRefused while the webhook is paused */
export async function testWebhook(tx: Tx, webhookId: string, operator: Operator): Promise<Delivery> {
  if (await lockAndFindPause(tx, webhookId))
    throw new ChangeRefused('the webhook is paused, so that nothing is sent')
  const delivery = await sendTest(tx, webhookId)
  const { delivery_id } = delivery
  await audit(tx, operator, 'test webhook', { webhook_id: webhookId, delivery_id })
  return delivery
}

/** Sends a delivery again, or at once while it waits for a retry. @throws NotFound */
export async function redeliverDelivery(tx: Tx, deliveryId: string, operator: Operator): Promise<Delivery> {
  const [found] = await tx.query<{ webhook_id: string }>(webhookOfSql, [deliveryId])
  if (!found) throw new NotFound('delivery', deliveryId)
  const { webhook_id } = found
  const delivery = await redeliver(tx, webhook_id, deliveryId)
  await audit(tx, operator, 'redeliver', { webhook_id, delivery_id: deliveryId })
  return delivery
}

/** Locks a webhook. @returns whether it is paused @throws NotFound */
async function lockAndFindPause(tx: Tx, webhookId: string): Promise<boolean> {
  const [webhook] = await tx.query<{ is_paused: boolean }>(lockSql, [webhookId])
  if (!webhook) throw new NotFound('webhook', webhookId)
  return webhook.is_paused
}

const lockSql = `
  select paused_at is not null as is_paused
  from webhooks
  where webhook_id = $1
    and status <> 'DELETED'
  for update
`

const pauseSql = `
  update webhooks
  set paused_at = clock_timestamp()
  where webhook_id = $1
    and paused_at is null
`

const resumeSql = `
  update webhooks
  set paused_at = null
  where webhook_id = $1
    and paused_at is not null
`

const webhookOfSql = `
  select webhook_id
  from webhook_deliveries
  where delivery_id = $1
`
