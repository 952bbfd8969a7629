import { html, nothing, type TemplateResult } from 'lit-html'
import { timeOfDay } from '../../pages/browser/clock.ts'
import type { Connection } from '../../pages/browser/follow.ts'
import { isOver, type Stage, stagesOf, type TrackedOrder } from './tracked-order.ts'

/** What the page of a customer shows. */
export interface Tracking {
  order: TrackedOrder | undefined
  connection: Connection
  /** when the order was last known, in ms by the server's clock */
  heardMs: number | undefined
  /** why the order cannot be shown at all, in a sentence */
  refusal: string | undefined
}

const names: Record<Stage['name'], string> = {
  PLACED: 'Received',
  PREPARING: 'Being prepared',
  READY: 'Ready',
  OUT_FOR_DELIVERY: 'On its way',
  DELIVERED: 'Delivered',
  CANCELLED: 'Cancelled',
}

const sentences: Record<Stage['name'], string> = {
  PLACED: 'The restaurant has your order.',
  PREPARING: 'The kitchen is preparing your order.',
  READY: 'Your order is ready and will leave the restaurant soon.',
  OUT_FOR_DELIVERY: 'Your order has left the restaurant.',
  DELIVERED: 'Your order has been delivered. Enjoy your meal!',
  CANCELLED: 'Your order was cancelled. Ask the restaurant if you did not expect this.',
}
const SOLD_OUT = 'Your order was cancelled, because an item is sold out. Ask the restaurant for another one.'

export function trackingView({ order, connection, heardMs, refusal }: Tracking): TemplateResult {
  if (refusal !== undefined)
    return html`<main class="track">
      <h1>Order not shown</h1>
      <p class="problem" role="alert">${refusal}</p>
      <p class="connection">If that does not help, ask the restaurant about your order.</p>
    </main>`
  if (!order)
    return html`<main class="track">
      <h1>Your order</h1>
      <p role="status">${problemOf(connection) ?? 'Loading your order …'}</p>
    </main>`
  const stages = stagesOf(order)
  const current = currentOf(stages)
  return html`<main class="track">
    <p class="restaurant">${order.restaurant_name}</p>
    <h1>Order <b class="code">${order.code}</b></h1>
    <div role="status" class="status ${current.name === 'CANCELLED' ? 'alarm' : ''}">
      <p class="now">${names[current.name]}</p>
      <p>${current.name === 'CANCELLED' && isSoldOut(order) ? SOLD_OUT : sentences[current.name]}</p>
    </div>
    <ol class="stages">
      ${stages.map(
        stage => html`<li
          class=${stage.at === undefined ? 'ahead' : 'reached'}
          aria-current=${stage === current ? 'step' : nothing}
        >
          <span class="mark" aria-hidden="true">${markOf(stage)}</span>
          <span>${names[stage.name]}</span>
          ${stage.at === undefined ? html`<span class="hidden">, not yet</span>` : html`<time datetime=${stage.at}>${wallTime(stage.at)}</time>`}
        </li>`,
      )}
    </ol>
    <h2>Items</h2>
    <ul class="items">
      ${order.items.map(
        ({ quantity, name, price }) => html`<li>
          <span><b>${quantity}×</b> ${name}</span>
          <span>${price} <span class="hidden">${order.currency}</span>${quantity > 1 ? ' each' : nothing}</span>
        </li>`,
      )}
    </ul>
    <p class="total"><b>Total</b> <b>${order.total_amount} ${order.currency}</b></p>
    <p class="connection">${isOver(order) ? nothing : connectionText(connection, heardMs)}</p>
  </main>`
}

export function titleOf({ order, refusal }: Tracking): string {
  if (refusal !== undefined || !order) return 'Your order'
  return `${names[currentOf(stagesOf(order)).name]} · Order ${order.code}`
}

function currentOf(stages: readonly Stage[]): Stage {
  return stages.findLast(({ at }) => at !== undefined) ?? { name: 'PLACED', at: undefined }
}

function isSoldOut({ steps }: TrackedOrder): boolean {
  return steps.at(-1)?.reason === 'OUT_OF_STOCK'
}

function markOf({ name, at }: Stage): string {
  if (name === 'CANCELLED') return '✕'
  return at === undefined ? '○' : '✓'
}

function connectionText(connection: Connection, heardMs: number | undefined): string {
  if (connection.state === 'live') return 'Live: this page changes by itself.'
  const since = heardMs === undefined ? '' : ` It was so at ${timeOfDay(heardMs)}.`
  return `Not live.${since} ${problemOf(connection) ?? 'Connecting …'}`
}

/** Says what happened and what to do; undefined while nothing is wrong. */
function problemOf(connection: Connection): string | undefined {
  if (connection.state === 'lost')
    return `${connection.problem ?? 'The connection is lost.'} This page tries again by itself; you can keep it open.`
  return undefined
}

/** A time of today as a clock shows it; others with the day. */
function wallTime(at: string): string {
  const time = new Date(at)
  const clock = time.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
  const isToday = time.toDateString() === new Date().toDateString()
  return isToday ? clock : `${time.toLocaleDateString([], { day: 'numeric', month: 'short' })}, ${clock}`
}
