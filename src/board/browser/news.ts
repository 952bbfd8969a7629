import type { BoardOrder, BoardState } from './board-state.ts'
import { columnOf } from './columns.ts'

/** What people on the spot have to learn of. */
export interface News {
  /** orders that the kitchen can start */
  arrived: BoardOrder[]
  /** orders on the board that were cancelled */
  cancelled: BoardOrder[]
}

/** Compares two states. Of what the first snapshot shows, nothing is news. */
export function newsOf(before: BoardState, after: BoardState, nowMs: number): News {
  const news: News = { arrived: [], cancelled: [] }
  if (!before.restaurant) return news
  for (const order of after.orders.values()) {
    const known = before.orders.get(order.order_id)
    if (known === order) continue
    if (order.status === 'PREPARING' && (known === undefined || known.status === 'PLACED'))
      news.arrived.push(order)
    const isNewlyCancelled = order.status === 'CANCELLED' && known?.status !== 'CANCELLED'
    if (isNewlyCancelled && columnOf(order, nowMs)) news.cancelled.push(order)
  }
  return news
}

/** Returns the news in one sentence for people who do not see the board; undefined without news. */
export function inWords(
  { arrived, cancelled }: News,
  codeOf: (order: BoardOrder) => string,
): string | undefined {
  const sentences = [...sentence('New order', arrived, codeOf), ...sentence('Cancelled', cancelled, codeOf)]
  return sentences.length === 0 ? undefined : sentences.join(' ')
}

const MAX_NAMED_COUNT = 3

function sentence(what: string, orders: BoardOrder[], codeOf: (order: BoardOrder) => string): string[] {
  if (orders.length === 0) return []
  if (orders.length > MAX_NAMED_COUNT) return [`${what}: ${orders.length} orders.`]
  return [`${what}: ${orders.map(codeOf).join(', ')}.`]
}

/** More than arrive while a finger that rests on the screen stops the drawing. */
const MAX_ANNOUNCEMENT_COUNT = 20

export interface Announcement {
  id: number
  text: string
}

/** The latest news for people who do not see the board. Several can come between two drawings. */
export class Announcements {
  latest: readonly Announcement[] = []
  #count = 0

  add(text: string | undefined): void {
    if (text === undefined) return
    this.latest = [...this.latest, { id: ++this.#count, text }].slice(-MAX_ANNOUNCEMENT_COUNT)
  }
}
