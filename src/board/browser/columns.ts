import type { OrderStatus } from './api-types.ts'
import type { BoardOrder, BoardState } from './board-state.ts'

export const columnNames = ['cook', 'ready', 'out'] as const
export type ColumnName = (typeof columnNames)[number]

export const columnTitles: Record<ColumnName, string> = { cook: 'To cook', ready: 'Ready', out: 'Out' }

/** A change that a person makes to an order on the board. */
export type Action = 'ready' | 'recall' | 'out' | 'delivered' | 'cancel'

/** The one action that moves an order of a column on. */
export const actionOf: Record<ColumnName, Action> = { cook: 'ready', ready: 'out', out: 'delivered' }

/** Where each action moves an order, in the words of its button. */
export const actionTitles: Record<Action, string> = {
  ready: 'Ready',
  recall: 'Back to cook',
  out: 'Out',
  delivered: 'Delivered',
  cancel: 'Cancelled',
}

/**
 * An order is PLACED for milliseconds. It is shown when that takes longer than this, because the
 * deduction of its stock is delayed.
 */
const PLACED_SHOWN_AFTER_MS = 3_000

/** Returns where an order stands on the board; undefined when it is not shown. */
export function columnOf(order: BoardOrder, nowMs: number): ColumnName | undefined {
  if (order.status !== 'CANCELLED') return columnOfStatus(order.status, order, nowMs)
  if (order.isAcknowledged) return undefined
  return order.previous ? columnOfStatus(order.previous, order, Date.parse(order.changed_at)) : undefined
}

function columnOfStatus(status: OrderStatus, order: BoardOrder, atMs: number): ColumnName | undefined {
  switch (status) {
    case 'PLACED':
      return atMs - Date.parse(order.placed_at) > PLACED_SHOWN_AFTER_MS ? 'cook' : undefined
    case 'PREPARING':
      return order.ready_at === null ? 'cook' : 'ready'
    case 'OUT_FOR_DELIVERY':
      return 'out'
    case 'DELIVERED':
    case 'CANCELLED':
      return undefined
  }
}

export interface Column {
  name: ColumnName
  /** oldest first */
  orders: BoardOrder[]
}

/** Returns the columns with all orders that are shown, oldest first. */
export function columnsOf(state: BoardState, nowMs: number): Column[] {
  const byColumn = Map.groupBy(state.orders.values(), order => columnOf(order, nowMs))
  return columnNames.map(name => ({ name, orders: (byColumn.get(name) ?? []).toSorted(byAge) }))
}

/** Keeps the columns for a second, or until the state changes: each drawing needs them often. */
export class ColumnCache {
  #state: BoardState | undefined
  #second = 0
  #columns: Column[] = []

  of(state: BoardState, nowMs: number): Column[] {
    const second = Math.floor(nowMs / 1_000)
    if (state !== this.#state || second !== this.#second) this.#columns = columnsOf(state, nowMs)
    this.#state = state
    this.#second = second
    return this.#columns
  }
}

function byAge(a: BoardOrder, b: BoardOrder): number {
  return compare(a.placed_at, b.placed_at) || compare(a.order_id, b.order_id)
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}

/**
 * Returns the codes to show, by order. Where two orders on the board have the same code, each gets
 * one more character, which differs: the digit of its id before the code's.
 */
export function shownCodes(orders: Iterable<BoardOrder>): Map<string, string> {
  const codes = new Map<string, string>()
  for (const [code, same] of Map.groupBy(orders, order => order.code)) {
    for (const { order_id } of same)
      codes.set(order_id, same.length === 1 ? code : `${code}·${order_id.at(-9)?.toUpperCase()}`)
  }
  return codes
}

/** Portions of one item that are still to be made. */
export interface Portions {
  menu_item_id: string
  name: string
  quantity: number
}

/** Returns the portions of all orders that are to be cooked, by item, most first. */
export function allDayCounts(columns: readonly Column[]): Portions[] {
  const counts = new Map<string, Portions>()
  const toCook = columns.find(({ name }) => name === 'cook')?.orders ?? []
  for (const order of toCook) {
    if (order.status === 'CANCELLED') continue
    for (const { menu_item_id, name, quantity } of order.items) {
      const before = counts.get(menu_item_id)?.quantity ?? 0
      counts.set(menu_item_id, { menu_item_id, name, quantity: before + quantity })
    }
  }
  return [...counts.values()].toSorted((a, b) => b.quantity - a.quantity || compare(a.name, b.name))
}

/** Returns whether the text that a person searches for occurs in the order. */
export function matches(order: BoardOrder, text: string): boolean {
  const wanted = text.trim().toLowerCase()
  if (wanted === '') return true
  const searched = [order.code, order.customer_id, order.notes, ...order.items.map(({ name }) => name)]
  return searched.some(value => value?.toLowerCase().includes(wanted))
}
