import { meter } from '../platform/meters.ts'
import type { OrderStatus } from './order.ts'

const transitions = meter.createCounter('comanda.order.transitions', {
  description: 'Orders that arrived in a status, committed by this process',
})
const stockOuts = meter.createCounter('comanda.stock.outs', {
  description: 'Orders that were cancelled because stock was short',
})

export function countTransitions(status: OrderStatus, orders: number): void {
  if (orders > 0) transitions.add(orders, { status })
}

export function countStockOuts(orders: number): void {
  if (orders > 0) stockOuts.add(orders)
}
