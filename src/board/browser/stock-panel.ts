import { html, nothing, type TemplateResult } from 'lit-html'
import { repeat } from 'lit-html/directives/repeat.js'
import type { Call } from '../../pages/browser/api.ts'
import { timeOfDay } from '../../pages/browser/clock.ts'
import { newKey } from '../../pages/browser/new-key.ts'
import type { MenuItem } from './api-types.ts'
import type { Board } from './board.ts'
import { type Duration, returnOf, untilInWords } from './off-until.ts'
import { levelOf, type StockLevel } from './stock.ts'

const levels: readonly StockLevel[] = ['sold out', 'off the menu', 'low', 'in stock']

/** Draws the menu with its stock, the scarce items first. */
export function stockPanel(board: Board): TemplateResult {
  const { items, asOfMs, problem } = board.stock
  const rank = (item: MenuItem) => levels.indexOf(levelOf(item))
  const sorted = items.toSorted((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name))
  return html`${board.can('inventory:write') ? restaurantActions(board) : nothing}
    <p class="as-of">
      ${asOfMs === undefined ? 'The stock is being read …' : `As of ${timeOfDay(asOfMs)}`}
      ${problem === undefined ? nothing : html`<strong>It cannot be read again: ${problem}</strong>`}
    </p>
    <ul class="stock">
      ${repeat(
        sorted,
        ({ menu_item_id }) => menu_item_id,
        item => stockItem(board, item),
      )}
    </ul>`
}

function stockItem(board: Board, item: MenuItem): TemplateResult {
  const { name, available_qty, menu_item_id } = item
  const level = levelOf(item)
  return html`<li class=${level.replaceAll(' ', '-')} data-item=${menu_item_id}>
    <p>
      <b>${name}</b> · <span class="level">${level === 'in stock' ? nothing : html`<strong>${level}</strong>, `}${available_qty} left</span>
    </p>
    ${item.active ? nothing : html`<p class="until">${off(board, item)}</p>`}
    ${board.can('inventory:write') ? stockActions(board, item) : nothing}
  </li>`
}

function stockActions(board: Board, item: MenuItem): TemplateResult {
  const { name, active, menu_item_id } = item
  return html`<div class="actions">
    ${
      active
        ? html`<details>
          <summary>Off the menu<span class="hidden">: ${name}</span></summary>
          ${offForm(board, `Take ${name} off the menu`, menu_item_id, body => void change(board, item, '', { method: 'PATCH', body }))}
        </details>`
        : html`<button @click=${() => void change(board, item, '', { method: 'PATCH', body: { active: true } })}>
          Back on the menu<span class="hidden">: ${name}</span>
        </button>`
    }
    <form
      @submit=${(event: SubmitEvent) => {
        event.preventDefault()
        void restock(board, item, event.target as HTMLFormElement)
      }}
    >
      <label class="hidden" for="restock-${menu_item_id}">Portions of ${name} to add</label>
      <input id="restock-${menu_item_id}" name="quantity" type="number" min="1" max="100000" value="10" />
      <button>Add<span class="hidden"> portions of ${name}</span></button>
    </form>
  </div>`
}

/** Draws a way to close the restaurant, and to open it again. */
function restaurantActions(board: Board): TemplateResult | typeof nothing {
  const { restaurant } = board.state
  if (!restaurant) return nothing
  return html`<div class="actions restaurant">
    ${
      restaurant.active
        ? html`<details>
          <summary>Take no new orders</summary>
          ${offForm(board, 'Close the restaurant', 'restaurant', body => void changeRestaurant(board, body))}
        </details>`
        : html`<button @click=${() => void changeRestaurant(board, { active: true })}>
          Take orders again
        </button>`
    }
  </div>`
}

/** Draws the choices of how long something is off, and why. */
function offForm(board: Board, title: string, id: string, change: (body: object) => void): TemplateResult {
  const off = (duration: Duration) => (event: Event) => {
    const form = (event.target as Element).closest('form') as HTMLFormElement
    const reason = (form.elements.namedItem('reason') as HTMLInputElement).value.trim()
    change({
      active: false,
      inactive_until: returnOf(duration, board.clock.nowMs(), timeZoneOf(board)),
      inactive_reason: reason === '' ? null : reason,
    })
  }
  return html`<form class="off" @submit=${(event: Event) => event.preventDefault()}>
    <label for="reason-${id}">Reason</label>
    <input id="reason-${id}" name="reason" maxlength="200" autocomplete="off" />
    <button type="button" @click=${off('hour')}>For 1 hour<span class="hidden">: ${title}</span></button>
    <button type="button" @click=${off('morning')}>
      Until 6:00 in the morning<span class="hidden">: ${title}</span>
    </button>
    <button type="button" @click=${off('for good')}>${title} for good</button>
  </form>`
}

function off(board: Board, item: MenuItem): string {
  return `off ${untilInWords(item, board.clock.nowMs(), timeZoneOf(board))}`
}

function timeZoneOf(board: Board): string {
  return board.state.restaurant?.time_zone ?? 'UTC'
}

async function changeRestaurant(board: Board, body: object): Promise<void> {
  const { problem } = await board.api.call(`api/v1/restaurants/${board.restaurantId}`, {
    method: 'PATCH',
    body,
    headers: { 'idempotency-key': newKey() },
  })
  if (problem !== undefined) board.notify(`The restaurant: ${problem}`)
}

async function restock(board: Board, item: MenuItem, form: HTMLFormElement): Promise<void> {
  const quantity = (form.elements.namedItem('quantity') as HTMLInputElement).valueAsNumber
  await change(board, item, '/restock', { method: 'POST', body: { quantity, reason: 'added at the board' } })
}

/** A change of the stock has no delay: it can be taken back by its opposite. */
async function change(board: Board, item: MenuItem, path: '' | '/restock', call: Call): Promise<void> {
  const headers = { 'idempotency-key': newKey() }
  const { problem } = await board.stock.change(item, path, { ...call, headers })
  if (problem !== undefined) board.notify(`${item.name}: ${problem}`)
}
