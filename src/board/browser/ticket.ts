import { html, nothing, svg, type TemplateResult } from 'lit-html'
import { encode } from 'uqr'
import { timeOfDay } from '../../pages/browser/clock.ts'
import type { BoardOrder } from './board-state.ts'

/** What is printed of an order. */
export interface Ticket {
  order: BoardOrder
  /** as on the board, which shows more characters where two orders have the same code */
  code: string
  restaurant: string
  printedMs: number
  /** server time as of which the order is shown; undefined: the board is connected */
  asOfMs: number | undefined
  /** why the ticket has no QR code; undefined: the order has its `tracking_url` */
  problem: string | undefined
}

/** Modules around the code that have to be white, by ISO/IEC 18004. */
const QUIET_MODULES = 4

/** Draws the ticket, which is seen on paper only. */
export function ticketView(ticket: Ticket): TemplateResult {
  const { order, code, restaurant, printedMs, asOfMs, problem } = ticket
  const { items, notes, customer_id, placed_at, status, tracking_url } = order
  return html`<section class="ticket">
    <h2>${restaurant}</h2>
    <p class="code">${code}</p>
    ${status === 'CANCELLED' ? html`<p class="flag"><b>Cancelled</b></p>` : nothing}
    <ul class="items">
      ${items.map(({ quantity, name }) => html`<li><b>${quantity}×</b> ${name}</li>`)}
    </ul>
    ${notes === null ? nothing : html`<p class="note"><b>Note</b> ${notes}</p>`}
    <dl>
      <dt>Placed</dt>
      <dd>${dateAndTime(Date.parse(placed_at))}</dd>
      ${customer_id === null ? nothing : html`<dt>Customer</dt><dd>${customer_id}</dd>`}
      <dt>Printed</dt>
      <dd>
        ${dateAndTime(printedMs)}${asOfMs === undefined ? nothing : html`; not connected, as of ${timeOfDay(asOfMs)}`}
      </dd>
    </dl>
    ${
      tracking_url === null
        ? html`<p class="no-qr">No QR code: the order's link could not be read. ${problem}</p>`
        : html`<figure>
          ${qrCode(tracking_url)}
          <figcaption>Follow this order</figcaption>
        </figure>`
    }
  </section>`
}

function qrCode(text: string): TemplateResult {
  const { data, size } = encode(text, { ecc: 'M', border: QUIET_MODULES })
  return html`<svg viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges" role="img" aria-label="QR code">
    ${svg`<path d=${pathOf(data)} />`}
  </svg>`
}

/** Returns the dark modules as a path with one rectangle for each row's neighbours. */
function pathOf(rows: readonly (readonly boolean[])[]): string {
  return rows
    .flatMap((row, y) =>
      [
        ...row
          .map(isDark => (isDark ? '1' : '0'))
          .join('')
          .matchAll(/1+/g),
      ].map(({ index, 0: { length } }) => `M${index} ${y}h${length}v1h-${length}z`),
    )
    .join('')
}

/** Returns e.g. `28 Nov, 19:04`. */
function dateAndTime(ms: number): string {
  const date = new Date(ms).toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })
  return `${date}, ${timeOfDay(ms).slice(0, 5)}`
}
