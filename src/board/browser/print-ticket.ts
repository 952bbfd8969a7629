import type { Board } from './board.ts'
import type { BoardOrder } from './board-state.ts'

/**
 * Prints the ticket of an order. The link for its QR code is read from the API where an event did
 * not have it; without a connection, the ticket has none and says so.
 */
export async function printTicket(board: Board, { order_id }: BoardOrder): Promise<void> {
  const problem = await readLink(board, order_id)
  const order = board.state.orders.get(order_id)
  if (!order) return board.notify('The order is not on the board any more: no ticket was printed.')
  board.print({
    order,
    code: board.codes().get(order_id) ?? order.code,
    restaurant: board.state.restaurant?.name ?? '',
    printedMs: board.clock.nowMs(),
    asOfMs: board.isLive ? undefined : board.asOfMs,
    problem,
  })
}

/** @returns why the link is unknown */
async function readLink(board: Board, orderId: string): Promise<string | undefined> {
  if (board.state.orders.get(orderId)?.tracking_url != null) return undefined
  if (!board.isLive) return 'The board is not connected.'
  return await board.reader.read(orderId)
}
