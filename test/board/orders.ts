import type { Order, OrderStatus, PlacedData, StepData } from '../../src/board/browser/api-types.ts'
import type { BoardInput } from '../../src/board/browser/board-state.ts'

const restaurant = {
  restaurant_id: 'r',
  name: 'Trattoria',
  time_zone: 'Europe/Rome',
  active: true,
  inactive_until: null,
  inactive_reason: null,
}

/** One step of an order after it was placed. */
export type Step = 'PREPARING' | 'OUT_FOR_DELIVERY' | 'DELIVERED' | 'CANCELLED' | 'READY' | 'UNREADY'

const statusOf = (step: Step): OrderStatus => (step === 'READY' || step === 'UNREADY' ? 'PREPARING' : step)

const eventTypes: Record<Step, string> = {
  PREPARING: 'order.status.preparing.v1',
  OUT_FOR_DELIVERY: 'order.status.out_for_delivery.v1',
  DELIVERED: 'order.status.delivered.v1',
  CANCELLED: 'order.cancelled.v1',
  READY: 'order.ready.v1',
  UNREADY: 'order.unready.v1',
}

/** The time `seconds` after noon. */
export const at = (seconds: number) => new Date(Date.UTC(2026, 10, 28, 12, 0, seconds)).toISOString()

/** An order after the steps, which happened one second apart. */
export function orderAfter(order_id: string, steps: readonly Step[] = [], more: Partial<Order> = {}): Order {
  const timeline = (['PLACED', ...steps.map(statusOf)] as OrderStatus[]).map((to_status, index) => ({
    seq: index + 1,
    to_status,
    at: at(index),
  }))
  const facts = steps.findLastIndex(step => step === 'READY' || step === 'UNREADY')
  return {
    order_id,
    code: order_id.padEnd(4, 'X').toUpperCase(),
    status: timeline.at(-1)?.to_status ?? 'PLACED',
    items: [{ menu_item_id: 'pizza', name: 'Pizza', quantity: 2 }],
    customer_id: null,
    notes: null,
    cancellation_reason: steps.at(-1) === 'CANCELLED' ? 'CLIENT_REQUEST' : null,
    placed_at: at(0),
    ready_at: steps[facts] === 'READY' ? at(facts + 1) : null,
    tracking_url: `https://shop.example/track/${order_id}#t=token`,
    timeline,
    ...more,
  }
}

/** The events of an order that took these steps: its placement first. */
export function eventsOf(order_id: string, steps: readonly Step[]): BoardInput[] {
  const { code, items, customer_id, placed_at } = orderAfter(order_id)
  const placed: PlacedData = { order_id, code, items, customer_id, placed_at }
  return [
    { kind: 'event', type: 'order.placed.v1', data: placed },
    ...steps.map((step, index): BoardInput => {
      const data: StepData = {
        order_id,
        code,
        status: statusOf(step),
        seq: index + 2,
        reason: step === 'CANCELLED' ? 'CLIENT_REQUEST' : null,
        at: at(index + 1),
      }
      return { kind: 'event', type: eventTypes[step], data }
    }),
  ]
}

export function snapshotOf(open_orders: readonly Order[], has_more_open_orders = false): BoardInput {
  return { kind: 'snapshot', snapshot: { restaurant, open_orders, has_more_open_orders } }
}
