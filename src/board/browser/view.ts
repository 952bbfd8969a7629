import { html, nothing, type TemplateResult } from 'lit-html'
import { repeat } from 'lit-html/directives/repeat.js'
import { timeOfDay } from '../../pages/browser/clock.ts'
import { newKey } from '../../pages/browser/new-key.ts'
import type { Board } from './board.ts'
import { card } from './card.ts'
import { actionTitles, type Column, type ColumnName, columnNames, columnTitles } from './columns.ts'
import { slotKeyOf } from './keymap.ts'
import { untilInWords } from './off-until.ts'
import { panel } from './panels.ts'
import { levelOf } from './stock.ts'
import { ticketView } from './ticket.ts'

/**
 * Draws a board.
 * @param digitColumn the keys 1 to 9 act on its first nine orders
 * @param maxCount orders per column that are drawn now; the others follow
 */
export function boardView(board: Board, digitColumn: ColumnName, maxCount: number): TemplateResult {
  const { all, shown } = board.columns()
  const codes = board.codes()
  const isStale = board.connection.state !== 'live'
  return html`<a class="skip" href="#orders">To the orders</a>
    ${head(board, all)} ${banner(board, all)} ${heldElsewhere(board)}
    <div class="notices" role="status">
      ${board.notices.map(
        ({ id, text }) => html`<p class="notice">
          ${text}
          <button @click=${() => board.dismiss(id)}>Understood<span class="hidden">: ${text}</span></button>
        </p>`,
      )}
    </div>
    <div class="hidden" role="log" aria-label="News">
      ${repeat(
        board.announcements.latest,
        ({ id }) => id,
        ({ text }) => html`<p>${text}</p>`,
      )}
    </div>
    <div class="stage">
      <main id="orders" class=${isStale ? 'stale' : ''} data-columns=${shown.length} tabindex="-1">
        ${board.isKnown ? shown.map(column => columnView(board, column, { all, codes, digitColumn, maxCount })) : nothing}
      </main>
      ${panel(board, all, codes)}
    </div>
    ${board.ticket ? ticketView(board.ticket) : nothing}`
}

interface ColumnOptions {
  all: Column[]
  codes: Map<string, string>
  digitColumn: ColumnName
  maxCount: number
}

function columnView(
  board: Board,
  { name, orders }: Column,
  { all, codes, digitColumn, maxCount }: ColumnOptions,
): TemplateResult {
  const count = all.find(column => column.name === name)?.orders.length ?? 0
  const isFiltered = orders.length < count
  return html`<section class="column ${name}" data-column=${name} aria-labelledby="title-${name}">
    <h2 id="title-${name}" tabindex="-1">
      ${columnTitles[name]}
      <span class="count">${isFiltered ? `${orders.length} of ${count}` : count}</span>
    </h2>
    <ol>
      ${repeat(
        orders.slice(0, maxCount),
        ({ order_id }) => order_id,
        (order, index) =>
          card(order, {
            board,
            column: name,
            code: codes.get(order.order_id) ?? order.code,
            digit:
              board.settings.areKeysOn && name === digitColumn
                ? slotKeyOf(board.settings.keys, index + 1)
                : undefined,
          }),
      )}
    </ol>
    ${orders.length === 0 ? html`<p class="empty">${isFiltered ? 'No order matches' : emptyTexts[name]}</p>` : nothing}
  </section>`
}

const emptyTexts: Record<ColumnName, string> = {
  cook: 'Nothing to cook',
  ready: 'Nothing is ready',
  out: 'Nothing is out',
}

function head(board: Board, all: Column[]): TemplateResult {
  const { settings, alarm, restaurantId } = board
  const scarce = board.stock.items.filter(item => levelOf(item) !== 'in stock').length
  const toggle = (name: 'stock' | 'counts' | 'settings') => () =>
    board.open(board.panel?.name === name ? undefined : { name })
  const isOpen = (name: string) => (board.panel?.name === name ? 'true' : 'false')
  return html`<header class="bar">
    <h1>${board.state.restaurant?.name ?? 'Board'}</h1>
    ${connectionChip(board)}
    <search>
      <label class="hidden" for="find">Find a code, an item, a customer or a note</label>
      <input
        id="find"
        type="search"
        placeholder="Find"
        autocomplete="off"
        .value=${board.search.query}
        @input=${(event: InputEvent) => board.search.change((event.target as HTMLInputElement).value, board.search.columnFilter)}
      />
      <label class="hidden" for="show">Columns</label>
      <select
        id="show"
        @change=${(event: Event) =>
          board.search.change(
            board.search.query,
            columnNames.find(name => name === (event.target as HTMLSelectElement).value),
          )}
      >
        <option value="" .selected=${board.search.columnFilter === undefined}>All columns</option>
        ${all.map(
          ({ name }) =>
            html`<option value=${name} .selected=${board.search.columnFilter === name}>${columnTitles[name]}</option>`,
        )}
      </select>
    </search>
    <nav aria-label="Tools">
      ${
        settings.isSoundOn && alarm.bell.isAudible
          ? html`<button @click=${() => switchSound(board, false)}>Sound on</button>`
          : html`<button class="attention" @click=${() => switchSound(board, true)}>
            Sound is off: turn on
          </button>`
      }
      <button aria-expanded=${isOpen('counts')} @click=${toggle('counts')}>All day</button>
      ${
        board.can('inventory:read')
          ? html`<button aria-expanded=${isOpen('stock')} @click=${toggle('stock')}>
            Stock${scarce > 0 ? html` <span class="count">${scarce} low</span>` : nothing}
          </button>`
          : nothing
      }
      <button aria-expanded=${isOpen('settings')} @click=${toggle('settings')}>Settings</button>
      ${
        board.session.demo && board.stock.items.length > 0 && board.can('orders:write')
          ? html`<button class="demo" @click=${() => void placeDemoOrder(board, restaurantId)}>
            Place a demo order
          </button>`
          : nothing
      }
    </nav>
  </header>`
}

function switchSound(board: Board, isSoundOn: boolean): void {
  if (isSoundOn) board.alarm.bell.unlock()
  else void board.alarm.bell.mute()
  board.change({ isSoundOn })
}

/** Orders one or two portions of random items on the menu. */
async function placeDemoOrder(board: Board, restaurant_id: string): Promise<void> {
  const available = board.stock.items.filter(({ active, available_qty }) => active && available_qty > 1)
  const items = available
    .toSorted(() => Math.random() - 0.5)
    .slice(0, 1 + Math.floor(Math.random() * 3))
    .map(({ menu_item_id }) => ({ menu_item_id, quantity: 1 + Math.floor(Math.random() * 2) }))
  const notes = Math.random() < 1 / 3 ? { notes: 'no nuts, please' } : {}
  const { problem } = await board.api.call('api/v1/orders', {
    method: 'POST',
    body: { restaurant_id, items, ...notes },
    headers: { 'idempotency-key': newKey() },
  })
  if (problem !== undefined) board.notify(`No demo order was placed. ${problem}`)
}

function connectionChip(board: Board): TemplateResult {
  const { connection } = board
  const now = timeOfDay(board.clock.nowMs()).slice(0, 5)
  const [text, state] =
    connection.state === 'live'
      ? [`Live ${now}`, 'live']
      : connection.state === 'connecting'
        ? ['Connecting …', 'connecting']
        : ['Not connected', 'lost']
  return html`<p class="chip ${state}"><span aria-hidden="true">${state === 'live' ? '●' : '○'}</span> ${text}</p>`
}

function banner(board: Board, all: Column[]): TemplateResult | typeof nothing {
  const { connection, asOfMs } = board
  const asOf = asOfMs === undefined ? undefined : timeOfDay(asOfMs)
  switch (connection.state) {
    case 'live':
      return html`${closedBanner(board)}
      ${board.state.hasMore ? moreBanner(all) : nothing}`
    case 'connecting':
      return nothing
    case 'resting':
      return alarmBanner(`This board rests while it is in the background; shown as of ${asOf ?? 'never'}.`)
    case 'signed-out':
      return alarmBanner(
        'This board is signed out: its key was revoked or its session is over.',
        html`<button @click=${() => location.reload()}>Sign in</button>`,
      )
    case 'refused':
      return alarmBanner(
        `${connection.problem} The board asks again every 30 seconds.`,
        html`<a href="board">Choose a restaurant</a>`,
      )
    case 'lost':
      return alarmBanner(
        asOf === undefined
          ? `Not connected. The board tries again by itself. ${connection.problem ?? ''}`
          : `Not connected since ${asOf}; shown as of then. The board tries again by itself. ${connection.problem ?? ''}`,
      )
  }
}

function closedBanner({ state: { restaurant }, clock }: Board): TemplateResult | typeof nothing {
  if (!restaurant || restaurant.active) return nothing
  const until = untilInWords(restaurant, clock.nowMs(), restaurant.time_zone)
  return html`<p class="banner closed" role="status">The restaurant takes no new orders ${until}</p>`
}

/** The API sends the oldest open orders, up to a limit; new ones arrive as events. */
function moreBanner(all: Column[]): TemplateResult {
  const shown = all.flatMap(({ orders }) => orders).filter(({ status }) => status !== 'CANCELLED').length
  return html`<p class="banner" role="status">
    This board shows ${shown.toLocaleString('en')} open orders, and the restaurant has more: those between
    the oldest and the newest. When orders are done, load the page again to see the next.
    <button @click=${() => location.reload()}>Load again</button>
  </p>`
}

/** Changes that were made in this tab on the boards of other restaurants, and are not sent yet. */
function heldElsewhere({ gestures }: Board): TemplateResult[] {
  const held = gestures.elsewhere().filter(({ state }) => state === 'held' || state === 'asking')
  return [...Map.groupBy(held, ({ restaurant_id }) => restaurant_id)].map(
    ([id, changes]) => html`<p class="banner" role="status">
      Not sent yet for another restaurant:
      ${changes.map(({ code, action }) => `${code} (${actionTitles[action]})`).join(', ')}.
      <a href="?restaurant=${id}">Open its board</a>
    </p>`,
  )
}

function alarmBanner(text: string, action: TemplateResult | typeof nothing = nothing): TemplateResult {
  return html`<p class="banner alarm" role="alert">${text} ${action}</p>`
}
