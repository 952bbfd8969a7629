import { html, nothing, type TemplateResult } from 'lit-html'
import { repeat } from 'lit-html/directives/repeat.js'
import type { Call } from '../../pages/browser/api.ts'
import { timeOfDay } from '../../pages/browser/clock.ts'
import { newKey } from '../../pages/browser/new-key.ts'
import type { MenuItem } from './api-types.ts'
import type { Board } from './board.ts'
import { levelOf, type StockLevel } from './stock.ts'

const levels: readonly StockLevel[] = ['sold out', 'off the menu', 'low', 'in stock']

/** Draws the menu with its stock, the scarce items first. */
export function stockPanel(board: Board): TemplateResult {
  const { items, asOfMs, problem } = board.stock
  const rank = (item: MenuItem) => levels.indexOf(levelOf(item))
  const sorted = items.toSorted((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name))
  return html`<p class="as-of">
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
      <b>${name}</b> <span class="level">${level === 'in stock' ? nothing : html`<strong>${level}</strong>, `}${available_qty} left</span>
    </p>
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
          <button @click=${() => void change(board, item, '', { method: 'PATCH', body: { active: false } })}>
            Take ${name} off the menu now
          </button>
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
