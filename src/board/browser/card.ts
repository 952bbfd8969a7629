import { html, nothing, type TemplateResult } from 'lit-html'
import { guard } from 'lit-html/directives/guard.js'
import { ageInWords, spokenAge, timeOfDay, type Urgency, urgencyOf } from '../../pages/browser/clock.ts'
import type { Board } from './board.ts'
import type { BoardOrder } from './board-state.ts'
import { type Action, actionOf, actionTitles, type ColumnName } from './columns.ts'
import { type Gesture, UNDO_MS } from './gestures.ts'
import { labelOf } from './keymap.ts'
import { printTicket } from './print-ticket.ts'

export interface CardOptions {
  board: Board
  column: ColumnName
  code: string
  /** key that acts on this card; undefined: none */
  digit: string | undefined
}

/** Draws one order, and nothing when nothing of it has changed: most cards stay alike at a tick. */
export function card(order: BoardOrder, options: CardOptions): unknown {
  const { board, column, code, digit } = options
  const nowMs = board.clock.nowMs()
  const ageMs = nowMs - Date.parse(order.placed_at)
  const urgency =
    order.status === 'CANCELLED' || column === 'out' ? 'fresh' : urgencyOf(ageMs, board.settings)
  const gesture = board.gestures.get(order.order_id)
  const sentence = gesture && sentenceOf(gesture, nowMs)
  return guard([order, ageInWords(ageMs), urgency, code, digit, gesture, sentence], () =>
    draw(order, options, { ageMs, urgency, gesture }),
  )
}

interface Drawn {
  ageMs: number
  urgency: Urgency
  gesture: Gesture | undefined
}

function draw(
  order: BoardOrder,
  { board, column, code, digit }: CardOptions,
  { ageMs, urgency, gesture }: Drawn,
): TemplateResult {
  const isCancelled = order.status === 'CANCELLED'
  const age = ageInWords(ageMs)
  return html`<li
    class="card ${urgency} ${isCancelled ? 'cancelled' : ''} ${gesture ? 'pending' : ''}"
    data-order=${order.order_id}
  >
    <article aria-label=${nameOf(order, code, spokenAge(ageMs), urgency)}>
      <header>
        ${digit === undefined ? nothing : html`<kbd aria-hidden="true">${labelOf(digit)}</kbd>`}
        <h3>${code}</h3>
        <p class="age">${age}${urgency === 'late' ? html` · <strong>late</strong>` : nothing}</p>
      </header>
      <ul class="items">
        ${order.items.map(({ quantity, name }) => html`<li><b>${quantity}×</b> ${name}</li>`)}
      </ul>
      ${order.notes === null ? nothing : html`<p class="note"><b>Note</b> ${order.notes}</p>`}
      ${stateOf(order, column)} ${buttons(order, gesture, { board, column, code, digit })}
    </article>
  </li>`
}

/** Returns what a screen reader says of a card. */
function nameOf(order: BoardOrder, code: string, age: string, urgency: Urgency): string {
  const items = order.items.map(({ quantity, name }) => `${quantity} ${name}`)
  const parts = [
    `Order ${code}`,
    age,
    ...(urgency === 'late' ? ['late'] : []),
    ...(order.status === 'CANCELLED' ? ['cancelled'] : []),
    ...items,
    ...(order.notes === null ? [] : [`note: ${order.notes}`]),
  ]
  return parts.join(', ')
}

function stateOf(order: BoardOrder, column: ColumnName): TemplateResult | typeof nothing {
  if (order.status === 'CANCELLED')
    return html`<p class="flag"><b>Cancelled</b> ${reasonInWords(order.cancellation_reason)}</p>`
  if (order.isUnconfirmed) return html`<p class="flag">Reading what became of it …</p>`
  if (order.status === 'PLACED') return html`<p class="flag">Waiting for its stock</p>`
  if (column === 'ready' && order.ready_at !== null)
    return html`<p class="since">Ready since ${timeOfDay(Date.parse(order.ready_at)).slice(0, 5)}</p>`
  return nothing
}

function reasonInWords(reason: string | null): string {
  if (reason === 'OUT_OF_STOCK') return 'Not enough stock'
  return reason === null || reason === 'CLIENT_REQUEST' ? '' : reason
}

function buttons(
  order: BoardOrder,
  gesture: Gesture | undefined,
  { board, column, code }: CardOptions,
): TemplateResult | typeof nothing {
  const { order_id, status } = order
  if (status === 'CANCELLED')
    return html`<div class="actions">
      <button class="move" @click=${() => board.acknowledge(order_id)}>
        Understood<span class="hidden">: order ${code} is cancelled</span>
      </button>
    </div>`
  if (gesture) return pending(gesture, board, code)
  const action = actionOf[column]
  return html`<div class="actions">
    ${
      status === 'PLACED' || !canMove(board, action)
        ? nothing
        : html`<button class="move" @click=${() => board.act(order, action)}>
          ${actionTitles[action]} <span aria-hidden="true">→</span><span class="hidden">: order ${code}</span>
        </button>`
    }
    ${
      column === 'ready' && canMove(board, 'recall')
        ? html`<button class="recall" @click=${() => board.act(order, 'recall')}>
          <span aria-hidden="true">← </span>Back to cook<span class="hidden">: order ${code}</span>
        </button>`
        : nothing
    }
    <button class="print" aria-label="Print order ${code}" @click=${() => void printTicket(board, order)}>
      ${printer}
    </button>
    <button class="more" aria-label="Details of order ${code}" @click=${() => board.open({ name: 'order', order_id })}>
      <span aria-hidden="true">⋯</span>
    </button>
  </div>`
}

const printer = html`<svg viewBox="0 0 24 24" aria-hidden="true">
  <path d="M7 8V3h10v5M7 17H4V9h16v8h-3M7 14h10v7H7z" />
</svg>`

/** Draws a gesture that is not done yet, with the way back while there is one. */
function pending(gesture: Gesture, board: Board, code: string): TemplateResult {
  const { order_id, state, action, isAttempted } = gesture
  const undo = html`<button class="move undo" @click=${() => board.undo(order_id)}>
    Undo<span class="hidden">: order ${code}</span>
  </button>`
  const confirm = html`<button class="move" @click=${() => board.gestures.confirm(order_id)}>
    Send now<span class="hidden">: order ${code}</span>
  </button>`
  return html`<p class="flag">${sentenceOf(gesture, board.clock.nowMs())}</p>
    <div class="actions">
      ${state === 'asking' ? confirm : nothing}
      ${
        state === 'sending' || isAttempted
          ? html`<button class="move" aria-disabled="true">
            ${actionTitles[action]} …<span class="hidden">: order ${code}</span>
          </button>`
          : undo
      }
    </div>`
}

function sentenceOf({ action, state, madeMs }: Gesture, nowMs: number): string {
  const title = actionTitles[action]
  switch (state) {
    case 'undoable': {
      const seconds = Math.max(0, Math.ceil((madeMs + UNDO_MS - nowMs) / 1_000))
      return `${title}, sent in ${seconds} s`
    }
    case 'held':
      return `${title}: held until the connection is back`
    case 'asking':
      return `${title}: held since ${timeOfDay(madeMs).slice(0, 5)}. Is it still right?`
    case 'sending':
      return `${title}: being sent`
  }
}

/** Returns whether the caller may do this: what is not allowed is not drawn. */
export function canMove(board: Board, action: Action): boolean {
  return board.can(action === 'cancel' ? 'orders:write' : 'orders:status')
}
