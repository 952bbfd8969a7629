import { sinceOrderSql } from '../events/since-order.ts'
import type { Caller } from '../platform/caller.ts'
import type { DeliveryState } from '../webhooks/deliveries.ts'

/** A webhook delivery of an event of an order. */
export interface OrderDelivery {
  delivery_id: string
  webhook_id: string
  event_id: string
  type: string
  state: DeliveryState
  reason: string | null
  attempts: number
  /** RFC 3339, as are the times below */
  created_at: string
  settled_at: string | null
  next_attempt_at: string | null
  /** HTTP status of the last response; null: none was received */
  last_status: number | null
}

/** Maximum deliveries in a timeline; the newest are returned. */
export const MAX_DELIVERY_COUNT = 200

/** Returns the parameters of {@link orderDeliveriesSql} for a caller. */
export function webhookVisibility({ scopes, restaurants }: Caller): [boolean, string[] | null] {
  return [scopes.has('webhooks:read'), restaurants ? [...restaurants] : null]
}

/**
 * Returns SQL that selects the deliveries of an order `o` as JSON, ordered by id: those to webhooks
 * that the caller can access. They are found through the events of the order, which are kept as
 * long as they are.
 * @param canRead SQL parameter: whether the caller may read webhooks
 * @param restaurants SQL parameter: ids of the restaurants that the caller is restricted to; null:
 *   unrestricted
 */
export const orderDeliveriesSql = (canRead: string, restaurants: string) => `
      select json_agg(delivery order by delivery_id)
      from (
        select d.delivery_id, d.webhook_id, d.event_id, d.type, d.state, d.reason, d.attempts, d.created_at, d.settled_at,
          d.next_attempt_at, (
            select status
            from webhook_attempts as a
            where a.delivery_id = d.delivery_id
            order by attempt_id desc
            limit 1
          ) as last_status
        from outbox_events as e
        join webhook_deliveries as d on d.event_id = e.event_id
        join webhooks as w on w.webhook_id = d.webhook_id
        where ${canRead}::boolean
          and e.order_id = o.order_id
          and ${sinceOrderSql('o')}
          and w.status <> 'DELETED'
          and (${restaurants}::uuid[] is null or w.restaurant_ids <@ ${restaurants}::uuid[])
        order by d.delivery_id desc
        limit ${MAX_DELIVERY_COUNT}
      ) as delivery`
