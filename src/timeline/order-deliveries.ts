import type { Caller } from '../platform/caller.ts'
import type { DeliveryState } from '../webhooks/deliveries.ts'

/** A delivery of an event of an order. */
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
  /** what was answered last; null: nothing */
  last_status: number | null
}

/** Deliveries of an order that are shown, the newest of them. */
export const SHOWN_DELIVERY_COUNT = 200

/** The parameters of {@link orderDeliveriesSql}: whether the caller sees webhooks at all, and the restaurants it is bound to. */
export function webhookVisibility({ scopes, restaurants }: Caller): [boolean, string[] | null] {
  return [scopes.has('webhooks:read'), restaurants ? [...restaurants] : null]
}

/**
 * Deliveries of the events of an order `o`, as JSON: those to webhooks that the caller sees, by id. They go by their events,
 * with which they are kept.
 * @param seesAny the parameter that says whether it sees any
 * @param restaurants the parameter that has the restaurants it is bound to; null: to none
 */
export const orderDeliveriesSql = (seesAny: string, restaurants: string) => `
      select json_agg(shown order by delivery_id)
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
        where ${seesAny}::boolean
          and e.order_id = o.order_id
          and w.status <> 'DELETED'
          and (${restaurants}::uuid[] is null or w.restaurant_ids <@ ${restaurants}::uuid[])
        order by d.delivery_id desc
        limit ${SHOWN_DELIVERY_COUNT}
      ) as shown`
