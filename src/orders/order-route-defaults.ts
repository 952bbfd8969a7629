import type { RouteReply } from '../http/route-reply.ts'
import { etagOf } from '../platform/precondition.ts'
import { type OrderReply, orderParams, type Unlinked } from './order-contract.ts'
import type { OrderRecord } from './order-queries.ts'
import { presentOrder } from './present-order.ts'
import type { TrackingLinks } from './tracking-links.ts'

/** Settings shared by the operations on one order; the method and the scope are those of a read. */
export const orderRouteDefaults = {
  method: 'get',
  scope: 'orders:read',
  tag: 'Orders',
  params: orderParams,
  resource: 'order',
  status: 200,
  errors: ['order-not-found'],
} as const

export const versionHeader = { ETag: 'Version of the order, for `If-Match` and `If-None-Match`' }

export function orderReplyOf(order: OrderRecord): RouteReply<Unlinked<OrderReply>> {
  return { body: presentOrder(order), headers: { ETag: etagOf(order.version) } }
}

/** Adds the customer's link to a reply, also to one that was stored, which has none. */
export function withTrackingUrl<Body extends { order_id: string }>(
  reply: RouteReply<Body>,
  links: TrackingLinks,
): RouteReply<Body & { tracking_url: string }> {
  return { ...reply, body: links.addTo(reply.body) }
}
