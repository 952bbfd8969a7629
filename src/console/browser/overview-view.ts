import { html, nothing, type TemplateResult } from 'lit-html'
import type { Overview, Queue } from './api-types.ts'
import { changeControl } from './change.ts'
import { opsCommand } from './commands.ts'
import { toCopy } from './copy.ts'
import { atLeast, moment, seconds } from './format.ts'
import { linkTo } from './place.ts'

/** The queue of the webhook deliveries, which are no jobs. */
const DELIVERIES = 'downstream.deliver'

/** Dead letters that the API counts at most, per queue and in all. */
const MAX_DEAD_LETTERS = 10_000

/** The lists that show what a problem is about. The other problems lead to the runbook. */
const listOf: Record<string, string> = {
  'stuck-orders': '#stuck',
  'dead-letters': linkTo('dead-letters'),
  'quarantined-events': linkTo('quarantine'),
  'stock-differs': '#guarantees',
  'failed-statistics': '#guarantees',
  'paused-queues': '#queues',
  'no-dispatcher': '#processes',
  'no-worker': '#processes',
  'missing-processes': '#processes',
  'failing-webhooks': linkTo('webhooks'),
  'disabled-webhooks': linkTo('webhooks'),
  'late-webhooks': linkTo('webhooks'),
  'paused-webhooks': linkTo('webhooks'),
  'full-queues': '#queues',
}

const runbook = (entry: string, about: string) =>
  html`<a class="runbook" href=${linkTo('runbook', { entry })}>Runbook<span class="hidden">: ${about}</span></a>`

interface Figure {
  name: string
  value: string | number
  isBad: boolean
  note: string
  list: string
  entry: string
}

function figuresOf(overview: Overview): Figure[] {
  const { guarantees, outbox, processes, webhooks, statistics } = overview
  const broken = guarantees.stock_differing + guarantees.lost_orders + guarantees.failed_statistics
  const silent = processes.filter(({ state }) => state !== 'LIVE').length
  const stuck = overview.stuck_orders.reduce((sum, { orders }) => sum + orders, 0)
  const isFound = (...names: string[]) => overview.problems.some(({ problem }) => names.includes(problem))
  return [
    {
      name: 'Guarantees',
      value: broken === 0 ? 'kept' : `${broken} violated`,
      isBad: broken > 0,
      note: `stock ${guarantees.stock_differing}, orders ${guarantees.lost_orders}, statistics ${guarantees.failed_statistics}; npm run verify checks all`,
      list: '#guarantees',
      entry: 'stock-looks-wrong',
    },
    {
      name: 'Processes',
      value: `${processes.length - silent} live`,
      isBad: isFound('no-dispatcher', 'no-worker', 'missing-processes'),
      note: silent === 0 ? 'none is silent' : `${silent} silent`,
      list: '#processes',
      entry: 'orders-stay-placed',
    },
    {
      name: 'Outbox',
      value: `${outbox.pending} pending`,
      isBad: (outbox.oldest_pending_seconds ?? 0) > 60,
      note: `oldest ${seconds(outbox.oldest_pending_seconds)}; last minute ${outbox.written_last_minute} written, ${outbox.dispatched_last_minute} dispatched`,
      list: '#queues',
      entry: 'the-outbox-grows',
    },
    {
      name: 'Stuck orders',
      value: stuck,
      isBad: stuck > 0,
      note: 'late for a minute, or without pending work',
      list: '#stuck',
      entry: 'orders-stay-placed',
    },
    {
      name: 'Dead letters',
      value: atLeast(overview.dead_letters.open, MAX_DEAD_LETTERS),
      isBad: overview.dead_letters.open > 0,
      note: 'open, of all queues',
      list: linkTo('dead-letters'),
      entry: 'a-dead-letter-appeared',
    },
    {
      name: 'Quarantine',
      value: outbox.quarantined,
      isBad: outbox.quarantined > 0,
      note: 'events that cannot be dispatched',
      list: linkTo('quarantine'),
      entry: 'events-are-quarantined',
    },
    {
      name: 'Webhooks',
      value: `${webhooks.active} active`,
      isBad: isFound('failing-webhooks', 'disabled-webhooks', 'late-webhooks', 'paused-webhooks'),
      note: `${webhooks.failing} failing, ${webhooks.late} late, ${webhooks.pending} deliveries pending, oldest ${seconds(webhooks.oldest_pending_seconds)}`,
      list: linkTo('webhooks'),
      entry: 'a-webhook-fails-or-is-disabled',
    },
    {
      name: 'Statistics',
      value: `${seconds(statistics.behind_seconds)} behind`,
      isBad: statistics.failed > 0 || statistics.behind_seconds > 60,
      note: `${statistics.pending} events pending, ${statistics.failed} restaurants set aside`,
      list: '#guarantees',
      entry: 'statistics-are-behind-or-wrong',
    },
  ]
}

/** Returns the roles of which a process has to be started. */
function missingRoles({ problems, processes }: Overview): string[] {
  const isFound = (name: string) => problems.some(({ problem }) => problem === name)
  const silent = processes.flatMap(({ role, state }) => (state === 'LIVE' ? [] : role))
  const roles = new Set(isFound('missing-processes') ? silent : [])
  if (isFound('no-dispatcher')) roles.add('dispatcher')
  if (isFound('no-worker')) roles.add('worker')
  return [...roles]
}

export function overviewView(overview: Overview, nowMs: number): TemplateResult {
  const { problems, stuck_orders, queues, processes, guarantees } = overview
  return html`<section aria-labelledby="problems">
      <h2 id="problems" tabindex="-1">${problems.length === 0 ? 'No problems' : `Problems: ${problems.length}`}</h2>
      <ul class="problems">
        ${problems.map(
          ({ problem, text, runbook: entry }) => html`<li>
            <a href=${listOf[problem] ?? linkTo('runbook', { entry })}>${text}</a> ${runbook(entry, text)}
          </li>`,
        )}
      </ul>
    </section>
    <section aria-label="Figures">
      <dl class="figures">
        ${figuresOf(overview).map(
          ({ name, value, isBad, note, list, entry }) => html`<div class=${isBad ? 'bad' : ''}>
            <dt>${name}${isBad ? ' – problem' : nothing}</dt>
            <dd><a class="value" href=${list}>${value}<span class="hidden"> ${name}</span></a></dd>
            <dd class="note">${note}</dd>
            <dd>${runbook(entry, name)}</dd>
          </div>`,
        )}
      </dl>
    </section>
    ${
      stuck_orders.length === 0
        ? html`<span id="stuck"></span>`
        : html`<section aria-labelledby="stuck">
            <h2 id="stuck" tabindex="-1">Stuck orders</h2>
            <ul class="rows">
              ${stuck_orders.map(
                ({ reason, queue, orders, longest_seconds, an_error }) => html`<li>
                  <strong>${orders} ${reason}</strong> ${queue === '' ? nothing : html`<a href=${linkTo('jobs', { queue })}>${queue}</a>`}
                  for up to ${seconds(longest_seconds)} ${an_error === null ? nothing : html`<pre tabindex="0">${an_error}</pre>`}
                </li>`,
              )}
            </ul>
            ${toCopy('Which orders', 'npm run sql -- "select * from ops.stuck_orders"')}
          </section>`
    }
    <section aria-labelledby="queues">
      <h2 id="queues" tabindex="-1">Queues</h2>
      <ul class="rows">
        ${queues.map(queueRow)}
      </ul>
    </section>
    <section aria-labelledby="processes">
      <h2 id="processes" tabindex="-1">Processes</h2>
      <ul class="rows">
        ${processes.map(
          ({
            role,
            host,
            pid,
            version,
            state,
            heartbeat_at,
            working_on,
          }) => html`<li class=${state === 'LIVE' ? '' : 'bad'}>
            <strong>${role}</strong> ${state}, ${host} ${pid}, ${version}; heartbeat ${moment(heartbeat_at, nowMs)}
            <span class="note">${working_on}</span>
          </li>`,
        )}
      </ul>
      ${missingRoles(overview).map(role => toCopy(`Start a ${role}`, `npm run ${role}`))}
    </section>
    <section aria-labelledby="guarantees">
      <h2 id="guarantees" tabindex="-1">Guarantees</h2>
      <p>
        Checked at each read: ${guarantees.stock_differing} items differ from their ledger,
        ${guarantees.lost_orders} orders are lost, ${guarantees.failed_statistics} restaurants have
        failed statistics. All guarantees, against whole tables:
      </p>
      ${toCopy('Check all', 'npm run verify')}
      ${toCopy('Stock', 'npm run sql -- "select * from ops.check_stock_is_its_ledger"')}
      ${toCopy('Statistics', 'npm run sql -- "select * from ops.failed_statistics"')}
    </section>`
}

function queueRow(queue: Queue): TemplateResult {
  const { queue: name, paused_at } = queue
  const isDeliveries = name === DELIVERIES
  const verb = paused_at === null ? 'pause' : 'resume'
  const jobs = (count: number, state: string, text: string) =>
    isDeliveries
      ? html`<li>${count} ${text}</li>`
      : html`<li><a href=${linkTo('jobs', { queue: name, state })}>${count} ${text}</a></li>`
  return html`<li class=${paused_at === null && queue.dead_letters === 0 ? '' : 'bad'}>
    <strong><a href=${isDeliveries ? linkTo('webhooks') : linkTo('jobs', { queue: name })}>${name}</a></strong>
    ${paused_at === null ? nothing : html`<a href=${linkTo('runbook', { entry: 'a-queue-is-paused' })}>paused</a>`}
    <ul class="counts">
      ${jobs(queue.ready, 'created', 'ready')} ${jobs(queue.active, 'active', 'in progress')}
      ${jobs(queue.retrying, 'retry', 'retrying')} ${jobs(queue.failed, 'failed', 'failed')}
      <li><a href=${linkTo('dead-letters', { queue: name })}>${atLeast(queue.dead_letters, MAX_DEAD_LETTERS)} dead letters</a></li>
    </ul>
    <span class="note">
      wait p50 ${seconds(queue.wait_p50_seconds)}, p95 ${seconds(queue.wait_p95_seconds)}, p99
      ${seconds(queue.wait_p99_seconds)}; run p50 ${seconds(queue.run_p50_seconds)}, p95
      ${seconds(queue.run_p95_seconds)}, p99 ${seconds(queue.run_p99_seconds)}; oldest due
      ${seconds(queue.oldest_ready_seconds)}; ${queue.done_last_minute ?? '–'} done in the last minute
    </span>
    ${
      // An operator cannot pause the queues of pg-boss itself.
      name.startsWith('__')
        ? nothing
        : changeControl({
            title: paused_at === null ? 'Pause' : 'Resume',
            about: name,
            path: `queues/${name}/${verb}`,
            command: opsCommand([verb, name]),
          })
    }
  </li>`
}
