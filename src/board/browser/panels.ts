import { html, nothing, type TemplateResult } from 'lit-html'
import { timeOfDay } from '../../pages/browser/clock.ts'
import type { Board } from './board.ts'
import type { BoardOrder } from './board-state.ts'
import { canMove } from './card.ts'
import { allDayCounts, type Column } from './columns.ts'
import { keysPanel } from './keys-panel.ts'
import { settingsPanel } from './settings-panel.ts'
import { stockPanel } from './stock-panel.ts'

/** Draws the panel that is open beside the orders. */
export function panel(
  board: Board,
  columns: Column[],
  codes: Map<string, string>,
): TemplateResult | typeof nothing {
  const { panel } = board
  switch (panel?.name) {
    case undefined:
      return nothing
    case 'stock':
      return aside(board, 'Stock', stockPanel(board))
    case 'counts':
      return aside(board, 'All day', counts(columns))
    case 'settings':
      return aside(board, 'Settings of this screen', settingsPanel(board))
    case 'keys':
      return aside(board, 'Keys', keysPanel(board))
    case 'order': {
      const order = board.state.orders.get(panel.order_id)
      return order
        ? aside(board, `Order ${codes.get(order.order_id) ?? order.code}`, details(board, order))
        : nothing
    }
  }
}

function aside(board: Board, title: string, content: TemplateResult): TemplateResult {
  return html`<aside class="panel" aria-labelledby="panel-title">
    <header>
      <h2 id="panel-title" tabindex="-1">${title}</h2>
      <button @click=${() => board.open(undefined)}>Close<span class="hidden">: ${title}</span></button>
    </header>
    ${content}
  </aside>`
}

function counts(columns: Column[]): TemplateResult {
  const portions = allDayCounts(columns)
  if (portions.length === 0) return html`<p class="empty">Nothing to cook</p>`
  return html`<p>Portions still to make:</p>
    <table class="counts">
      <thead class="hidden">
        <tr>
          <th scope="col">Portions</th>
          <th scope="col">Item</th>
        </tr>
      </thead>
      <tbody>
        ${portions.map(
          ({ quantity, name }) => html`<tr>
            <td>${quantity}×</td>
            <th scope="row">${name}</th>
          </tr>`,
        )}
      </tbody>
    </table>`
}

function details(board: Board, order: BoardOrder): TemplateResult {
  const { order_id, customer_id, placed_at, status, notes, items } = order
  const isOpen = ['PLACED', 'PREPARING', 'OUT_FOR_DELIVERY'].includes(status)
  return html`<ul class="items">
      ${items.map(({ quantity, name }) => html`<li><b>${quantity}×</b> ${name}</li>`)}
    </ul>
    ${notes === null ? nothing : html`<p class="note"><b>Note</b> ${notes}</p>`}
    <dl>
      <dt>Placed</dt>
      <dd>${timeOfDay(Date.parse(placed_at))}</dd>
      <dt>Last change</dt>
      <dd>${timeOfDay(Date.parse(order.changed_at))}</dd>
      ${customer_id === null ? nothing : html`<dt>Customer</dt><dd>${customer_id}</dd>`}
      <dt>Id</dt>
      <dd class="id">${order_id}</dd>
    </dl>
    ${
      isOpen && canMove(board, 'cancel') && !board.gestures.get(order_id)
        ? html`<details class="danger">
          <summary>Cancel this order</summary>
          <p>The customer gets nothing, and the stock is given back. You can undo this for 5 seconds.</p>
          <button @click=${() => board.cancel(order)}>Cancel order ${order.code}</button>
        </details>`
        : nothing
    }`
}
