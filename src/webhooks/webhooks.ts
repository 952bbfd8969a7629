import type { Sql, Tx } from '../db/transaction.ts'
import { type Caller, canAccess } from '../platform/caller.ts'
import { NotFound, ValidationFailed } from '../platform/errors.ts'
import { isChange } from '../platform/is-change.ts'
import type { Precondition } from '../platform/precondition.ts'
import { requestDiscards } from './deliveries.ts'
import { likePattern } from './event-pattern.ts'
import { lockWebhook, type Webhook, webhookColumns, webhookTagOf } from './webhook-queries.ts'
import { newSecret, replaceSecret } from './webhook-secret.ts'
import { validateWebhookUrl } from './webhook-url.ts'

export interface AddWebhook {
  webhook_id: string
  url: string
  event_types: string[]
  restaurant_ids?: string[] | undefined
  description?: string | undefined
}

export interface ChangeWebhook {
  url?: string | undefined
  event_types?: string[] | undefined
  restaurant_ids?: string[] | undefined
  description?: string | null | undefined
  status?: 'ACTIVE' | 'DISABLED' | undefined
}

export interface WebhookOptions {
  /** development: allows private addresses and plain `http` */
  allowPrivate: boolean
}

/**
 * Adds a webhook. Every matching event that commits after this transaction is delivered to it.
 * @throws ValidationFailed when the URL is invalid; NotFound when a restaurant does not exist, or
 *   the caller cannot access it
 */
export async function addWebhook(
  tx: Tx,
  caller: Caller,
  { webhook_id, url, event_types, restaurant_ids, description }: AddWebhook,
  options: WebhookOptions,
): Promise<{ webhook: Webhook; secret: string }> {
  checkUrl(url, options)
  // A restricted caller gets its own restaurants by default, never all.
  const restaurantIds = restaurant_ids ?? (caller.restaurants ? [...caller.restaurants] : undefined)
  if (restaurantIds) await assertRestaurantAccess(tx, caller, restaurantIds)
  await waitForInFlightFanOut(tx)
  const secret = newSecret()
  const [webhook] = await tx.query<Webhook>(addSql, [
    webhook_id,
    caller.id,
    url,
    description ?? null,
    event_types,
    event_types.map(likePattern),
    restaurantIds ?? null,
    secret,
  ])
  if (!webhook) throw new Error('the webhook was not inserted')
  return { webhook, secret }
}

/**
 * Changes a webhook. Events that commit after this transaction match the new event types and
 * restaurants; pending deliveries go to the new URL. Disabling discards pending deliveries. After
 * enabling, events that commit from then on are delivered.
 * A change to the same values keeps the version.
 * @throws NotFound; ValidationFailed; the errors of the precondition
 */
export async function changeWebhook(
  tx: Tx,
  caller: Caller,
  webhookId: string,
  change: ChangeWebhook,
  precondition: Precondition | undefined,
  options: WebhookOptions,
): Promise<Webhook> {
  if (change.url !== undefined) checkUrl(change.url, options)
  await waitForInFlightFanOut(tx)
  const webhook = await lockWebhook(tx, caller, webhookId)
  precondition?.('webhook', webhookTagOf(webhook))
  if (change.restaurant_ids) await assertRestaurantAccess(tx, caller, change.restaurant_ids)
  const changes = defined(change)
  if (!isChange(webhook, changes)) return webhook
  const { url, event_types, restaurant_ids, description, status } = { ...webhook, ...changes }
  const [updated] = await tx.query<Webhook>(changeSql, [
    webhookId,
    url,
    description,
    event_types,
    event_types.map(likePattern),
    restaurant_ids,
    status,
  ])
  if (!updated) throw new NotFound('webhook', webhookId)
  if (updated.status === 'DISABLED') await requestDiscards(tx)
  return updated
}

/**
 * Deletes a webhook with its secrets, and discards its pending deliveries.
 * @throws NotFound, and the errors of the precondition
 */
export async function deleteWebhook(
  tx: Tx,
  caller: Caller,
  webhookId: string,
  precondition?: Precondition,
): Promise<void> {
  const webhook = await lockWebhook(tx, caller, webhookId)
  precondition?.('webhook', webhookTagOf(webhook))
  await tx.execute(deleteSql, [webhookId])
  await requestDiscards(tx)
}

/**
 * Creates a new secret. Deliveries are signed with every secret that is still valid, so that
 * endpoints can switch without losing a delivery.
 * @throws NotFound; TooManySecrets; the errors of the precondition
 */
export async function rotateSecret(
  tx: Tx,
  caller: Caller,
  webhookId: string,
  precondition?: Precondition,
): Promise<{ secret: string; previous_secret_until: Date }> {
  const webhook = await lockWebhook(tx, caller, webhookId)
  precondition?.('webhook', webhookTagOf(webhook))
  const secret = newSecret()
  const previous_secret_until = await replaceSecret(tx, webhookId, secret)
  await tx.execute(rotateSql, [webhookId])
  return { secret, previous_secret_until }
}

function checkUrl(url: string, { allowPrivate }: WebhookOptions): void {
  const detail = validateWebhookUrl(url, allowPrivate)
  if (detail !== undefined) throw new ValidationFailed([{ pointer: '/url', detail }])
}

async function assertRestaurantAccess(
  sql: Sql,
  caller: Caller,
  restaurantIds: readonly string[],
): Promise<void> {
  const rows = await sql.query<{ restaurant_id: string }>(restaurantsSql, [restaurantIds])
  const accessible = new Set(
    rows.map(({ restaurant_id }) => restaurant_id).filter(each => canAccess(caller, each)),
  )
  const missing = restaurantIds.find(each => !accessible.has(each))
  if (missing !== undefined) throw new NotFound('restaurant', missing)
}

/**
 * Waits for all fan-outs in flight, and blocks new ones until this transaction ends. An event is
 * then either committed before the change of the webhook, or matched against it: SHARE conflicts
 * with the ROW EXCLUSIVE lock that fan-out takes on the table before it reads any row. Reads are
 * not blocked.
 */
async function waitForInFlightFanOut(tx: Tx): Promise<void> {
  await tx.execute(`set local lock_timeout = '${FAN_OUT_TIMEOUT_MS}ms'`)
  await tx.execute('lock table webhook_deliveries in share mode')
  await tx.execute('set local lock_timeout to default')
}

/**
 * Longer than any fan-out takes. On timeout the transaction is retried, and queued fan-outs run in
 * between.
 */
const FAN_OUT_TIMEOUT_MS = 1_000

function defined(change: ChangeWebhook): Partial<Webhook> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined))
}

const addSql = `
  with added as (
    insert into webhooks (webhook_id, owner, url, description, event_types, type_patterns, restaurant_ids)
    values ($1, $2, $3, $4, $5, $6, $7)
    returning ${webhookColumns}
  ), secret as (
    insert into webhook_secrets (webhook_id, secret)
    select webhook_id, $8
    from added
  )
  select ${webhookColumns}
  from added
`

/** Enabling clears the failure state; disabling keeps an earlier reason and time. */
const changeSql = `
  update webhooks
  set url = $2, description = $3, event_types = $4, type_patterns = $5, restaurant_ids = $6, status = $7,
    disabled_reason = case when $7 = 'DISABLED' then coalesce(disabled_reason, 'BY_OWNER') end,
    disabled_at = case when $7 = 'DISABLED' then coalesce(disabled_at, clock_timestamp()) end,
    failing_since = case when $7 = status then failing_since end,
    updated_at = clock_timestamp(), version = version + 1
  where webhook_id = $1
  returning ${webhookColumns}
`

const deleteSql = `
  with erased as (
    delete from webhook_secrets
    where webhook_id = $1
  )
  update webhooks
  set status = 'DELETED', disabled_reason = null, disabled_at = null,
    updated_at = clock_timestamp(), version = version + 1
  where webhook_id = $1
`

const rotateSql = `
  update webhooks
  set updated_at = clock_timestamp(), version = version + 1
  where webhook_id = $1
`

const restaurantsSql = `
  select restaurant_id
  from restaurants
  where restaurant_id = any($1::uuid[])
`
