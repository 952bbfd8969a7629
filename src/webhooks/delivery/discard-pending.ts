import type { Tx } from '../../db/transaction.ts'
import { PENDING } from '../deliveries.ts'
import { type Lane, releaseParked } from './release-parked.ts'

/** Deliveries that one transaction discards at most. */
const DISCARD_COUNT = 1_000

export const WEBHOOK_DELETED = 'the webhook was deleted'
export const WEBHOOK_DISABLED = 'the webhook was disabled'

/**
 * Discards pending deliveries of disabled and deleted webhooks. Deliveries that are being sent are
 * not discarded, nor are redeliveries to a disabled webhook.
 * @returns whether more are left
 */
export async function discardPending(tx: Tx): Promise<boolean> {
  const discarded = await tx.query<{ webhook_id: string; order_id: string | null }>(discardSql)
  // The webhook may be enabled again before the rest of a lane is discarded.
  const lanes = discarded.filter((lane): lane is Lane => lane.order_id !== null)
  await releaseParked(tx, lanes)
  return discarded.length === DISCARD_COUNT
}

const discardSql = `
  update webhook_deliveries as d
  set state = 'DISCARDED', settled_at = clock_timestamp(), next_attempt_at = null, requested_at = null, lease_id = null,
    reason = case w.status when 'DELETED' then '${WEBHOOK_DELETED}' else '${WEBHOOK_DISABLED}' end
  from webhooks as w
  where w.webhook_id = d.webhook_id
    and d.webhook_id = any(array(select webhook_id from webhooks where status <> 'ACTIVE'))
    and d.delivery_id = any(array(
      select n.delivery_id
      from webhooks as w
      cross join lateral (
        select p.delivery_id
        from webhook_deliveries as p
        where p.state = '${PENDING}'
          and p.webhook_id = w.webhook_id
          and (p.requested_at is null or w.status = 'DELETED')
          and (p.leased_until is null or p.leased_until < clock_timestamp())
        order by p.order_id, p.sequence
        limit ${DISCARD_COUNT}
        for update skip locked
      ) as n
      where w.status <> 'ACTIVE'
      limit ${DISCARD_COUNT}
    ))
  returning d.webhook_id, d.order_id
`
