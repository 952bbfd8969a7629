import { meter } from '../platform/meters.ts'
import type { OrderFact, OrderStatus } from './order.ts'

const transitions = meter.createCounter('comanda.order.transitions', {
  description: 'Order transitions committed by this process, by new status, or by fact',
})
const stockOuts = meter.createCounter('comanda.stock.outs', {
  description: 'Orders cancelled by this process because of insufficient stock',
})

export function countTransitions(status: OrderStatus | OrderFact, orders: number): void {
  if (orders > 0) transitions.add(orders, { status })
}

export function countStockOuts(orders: number): void {
  if (orders > 0) stockOuts.add(orders)
}
