import type { Database } from '../db/database.ts'
import type { Tx } from '../db/transaction.ts'
import { withIdempotency } from '../http/idempotency.ts'
import { type Route, route } from '../http/route.ts'
import type { RouteReply } from '../http/route-reply.ts'
import type { WakeDispatcher } from '../outbox/notify-channels.ts'
import type { Caller } from '../platform/caller.ts'
import { ValidationFailed } from '../platform/errors.ts'
import type { IdempotentRequest } from '../platform/idempotent-request.ts'
import { cancelOrder } from './cancel-order.ts'
import { changeReadiness } from './change-readiness.ts'
import { changeStatus } from './change-status.ts'
import { orderStatuses, TooManyFacts } from './order.ts'
import { cancelOrderBody, changeStatusBody, type OrderReply, orderReply } from './order-contract.ts'
import {
  cancelledExample,
  illegalTransition,
  inventoryPending,
  notPreparing,
  orderExample,
  readyExample,
} from './order-examples.ts'
import { readAccessibleOrder, readOrder } from './order-queries.ts'
import { orderReplyOf, orderRouteDefaults, versionHeader, withTrackingUrl } from './order-route-defaults.ts'
import type { TrackingLinks } from './tracking-links.ts'

interface ChangeOrderRoutesOptions {
  database: Database
  links: TrackingLinks
  wakeDispatcher: WakeDispatcher
}

export function changeOrderRoutes({ database, links, wakeDispatcher }: ChangeOrderRoutesOptions): Route[] {
  /**
   * Runs a change and returns the order as it is in the same transaction.
   * @param work returns whether it changed the order and appended an event
   */
  async function change(
    orderId: string,
    caller: Caller,
    idempotency: IdempotentRequest | undefined,
    work: (tx: Tx) => Promise<boolean>,
  ): Promise<RouteReply<OrderReply>> {
    const reply = await withIdempotency(database, idempotency, 200, async tx => {
      if (caller.restaurants) await readAccessibleOrder(tx, caller, orderId)
      if (await work(tx)) tx.afterCommit(wakeDispatcher)
      return orderReplyOf(await readOrder(tx, orderId))
    })
    return withTrackingUrl(reply, links)
  }

  const readiness = {
    ...orderRouteDefaults,
    path: '/api/v1/orders/{order_id}/ready',
    scope: 'orders:status',
    statusDescription: 'The order after the change',
    replySchema: orderReply,
    replyHeaders: versionHeader,
    conditional: true,
  } as const

  return [
    route({
      ...readiness,
      method: 'put',
      operationId: 'markOrderReady',
      summary: 'Mark an order as ready',
      description:
        'Sets `ready_at` of an order that is PREPARING and publishes `order.ready.v1`: the kitchen has finished it. ' +
        'The status stays PREPARING until the order leaves. Optional: an order may leave without being ready. ' +
        'Idempotent: an order that is ready is returned unchanged, without a second event.',
      replyExample: readyExample,
      errors: ['order-not-found', notPreparing, new TooManyFacts()],
      handle: ({ params: { order_id }, trace, caller, precondition, idempotency }) =>
        change(order_id, caller, idempotency, tx =>
          changeReadiness(tx, { order_id, isReady: true, precondition, by: caller.name, trace }),
        ),
    }),
    route({
      ...readiness,
      method: 'delete',
      operationId: 'unmarkOrderReady',
      summary: 'Take back that an order is ready',
      description:
        'Clears `ready_at` of an order that is PREPARING and publishes `order.unready.v1`: the kitchen works on it again. ' +
        'Idempotent: an order that is not ready is returned unchanged, without an event.',
      replyExample: orderExample,
      errors: ['order-not-found', notPreparing],
      handle: ({ params: { order_id }, trace, caller, precondition, idempotency }) =>
        change(order_id, caller, idempotency, tx =>
          changeReadiness(tx, { order_id, isReady: false, precondition, by: caller.name, trace }),
        ),
    }),
    route({
      ...orderRouteDefaults,
      method: 'patch',
      path: '/api/v1/orders/{order_id}/status',
      operationId: 'changeOrderStatus',
      scope: 'orders:status',
      summary: 'Change the status of an order',
      description:
        'Moves an order from PREPARING to OUT_FOR_DELIVERY, from OUT_FOR_DELIVERY to DELIVERED, ' +
        'or from any status except DELIVERED to CANCELLED. ' +
        'PREPARING is set automatically once stock is deducted. ' +
        'Idempotent: requesting the current status returns the order unchanged, without a second event.',
      body: changeStatusBody,
      statusDescription: 'The order after the change',
      replySchema: orderReply,
      replyExample: orderExample,
      replyHeaders: versionHeader,
      conditional: true,
      errors: [
        new ValidationFailed([{ pointer: '/status', detail: `must be one of ${orderStatuses.join(', ')}` }]),
        'order-not-found',
        illegalTransition,
        inventoryPending,
      ],
      handle: ({ params: { order_id }, body: { status }, trace, caller, precondition, idempotency }) => {
        const request = { order_id, precondition, by: caller.name, trace }
        return change(order_id, caller, idempotency, tx =>
          status === 'CANCELLED' ? cancelOrder(tx, request) : changeStatus(tx, { ...request, to: status }),
        )
      },
    }),
    route({
      ...orderRouteDefaults,
      method: 'post',
      path: '/api/v1/orders/{order_id}/cancel',
      operationId: 'cancelOrder',
      scope: 'orders:write',
      summary: 'Cancel an order',
      description:
        'Cancels an order that is not DELIVERED. The order is CANCELLED in the response; ' +
        'stock that was deducted for it is restored asynchronously, once. ' +
        'Idempotent: cancelling again returns the order unchanged. The reason of the first cancellation stays, also ' +
        'when the system rejected the order: `cancellation_reason` and `timeline` show whose it is.',
      body: cancelOrderBody,
      bodyOptional: true,
      statusDescription: 'The cancelled order',
      replySchema: orderReply,
      replyExample: cancelledExample,
      replyHeaders: versionHeader,
      conditional: true,
      errors: [
        new ValidationFailed([{ pointer: '/reason', detail: 'must not be empty' }]),
        'order-not-found',
        illegalTransition,
      ],
      handle: ({ params: { order_id }, body: { reason }, trace, caller, precondition, idempotency }) =>
        change(order_id, caller, idempotency, tx =>
          cancelOrder(tx, { order_id, reason, precondition, by: caller.name, trace }),
        ),
    }),
  ]
}
