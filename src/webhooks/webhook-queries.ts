import type { Sql, Tx } from '../db/transaction.ts'
import { type Caller, canAccess } from '../platform/caller.ts'
import { NotFound } from '../platform/errors.ts'
import { NIL_UUID } from '../platform/ids.ts'
import { etagOf } from '../platform/precondition.ts'

/** A webhook: the URL of an endpoint and the events that are sent to it. */
export interface Webhook {
  webhook_id: string
  url: string
  description: string | null
  event_types: string[]
  /** restaurants whose events are delivered; null: all */
  restaurant_ids: string[] | null
  status: 'ACTIVE' | 'DISABLED'
  disabled_reason: 'BY_OWNER' | 'FAILING' | 'GONE' | null
  disabled_at: Date | null
  failing_since: Date | null
  last_success_at: Date | null
  paused_at: Date | null
  created_at: Date
  updated_at: Date
  version: number
  /** time of the last change, delivery or pause, in microseconds since 1970 */
  changed_us: number
}

/** Reads one webhook. @throws NotFound when it does not exist, or the caller cannot access it */
export async function readWebhook(sql: Sql, caller: Caller, webhookId: string): Promise<Webhook> {
  return requireWebhook(await sql.query<Webhook>(readSql, [webhookId]), caller, webhookId)
}

/**
 * Returns the webhooks that the caller can access, in the order in which they were added.
 * @param after id of the last webhook of the previous page
 */
export async function listWebhooks(
  sql: Sql,
  caller: Caller,
  after: string | undefined,
  count: number,
): Promise<Webhook[]> {
  const bounds = [after ?? NIL_UUID, count]
  return caller.restaurants
    ? await sql.query<Webhook>(listBoundSql, [...bounds, [...caller.restaurants]])
    : await sql.query<Webhook>(listSql, bounds)
}

/**
 * Returns the entity tag of a webhook. It also has the time, because deliveries keep the version.
 */
export function webhookTagOf({ version, changed_us }: Webhook): string {
  return etagOf(version, changed_us)
}

/** Reads one webhook and locks it. @throws NotFound, as {@link readWebhook} */
export async function lockWebhook(tx: Tx, caller: Caller, webhookId: string): Promise<Webhook> {
  return requireWebhook(await tx.query<Webhook>(`${readSql} for update`, [webhookId]), caller, webhookId)
}

function requireWebhook([webhook]: Webhook[], caller: Caller, webhookId: string): Webhook {
  const isAccessible =
    webhook &&
    (caller.restaurants === undefined ||
      webhook.restaurant_ids?.every(each => canAccess(caller, each)) === true)
  if (!isAccessible) throw new NotFound('webhook', webhookId)
  return webhook
}

/** SQL of the columns of a {@link Webhook}. */
export const webhookColumns = `webhook_id, url, description, event_types, restaurant_ids, status, disabled_reason, disabled_at,
    failing_since, last_success_at, paused_at, created_at, updated_at, version,
    (extract(epoch from greatest(updated_at, failing_since, last_success_at, paused_at)) * 1000000)::bigint as changed_us`

const readSql = `
  select ${webhookColumns}
  from webhooks
  where webhook_id = $1
    and status <> 'DELETED'
`

const listSql = `
  select ${webhookColumns}
  from webhooks
  where webhook_id > $1
    and status <> 'DELETED'
  order by webhook_id
  limit $2
`

const listBoundSql = `
  select ${webhookColumns}
  from webhooks
  where webhook_id > $1
    and status <> 'DELETED'
    and restaurant_ids <@ $3::uuid[]
  order by webhook_id
  limit $2
`
