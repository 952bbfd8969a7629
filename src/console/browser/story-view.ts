import { html, nothing, type TemplateResult } from 'lit-html'
import type { Found, Story } from './api-types.ts'
import { changeControl } from './change.ts'
import { opsCommand } from './commands.ts'
import { toCopy } from './copy.ts'
import { moment } from './format.ts'
import { linkTo } from './place.ts'

/** What a search has found; each of an order leads to the story of the order. */
export function searchView(q: string, found: readonly Found[] | undefined, nowMs: number): TemplateResult {
  if (q === '') return html`<h2>Find</h2><p>Enter an id, the code of an order, or a customer.</p>`
  if (!found) return html`<h2>Find</h2><p>Searching …</p>`
  return html`<h2 tabindex="-1">Found: ${found.length}</h2>
    ${found.length === 0 ? html`<p>Nothing has the id, code or customer <strong>${q}</strong>.</p>` : nothing}
    <ul class="rows">
      ${found.map(({ kind, id, order_id, code, what, at }) => {
        const link = order_id
          ? linkTo('order', { id: order_id, mark: id })
          : kind === 'WEBHOOK'
            ? linkTo('webhooks')
            : undefined
        const title = html`${kind} ${code ?? nothing}`
        return html`<li>
          <strong>${link ? html`<a href=${link}>${title}<span class="hidden"> ${id}</span></a>` : title}</strong>
          ${what} <code>${id}</code> <span class="note">${moment(at, nowMs)}</span>
        </li>`
      })}
    </ul>`
}

/** @param mark id of an event, job or delivery whose entries are marked */
export function storyView(story: Story, mark: string | undefined, nowMs: number): TemplateResult {
  const { order, stuck, entries, trace_ids, sql } = story
  const jobs = [...new Set(stuck.flatMap(({ job_id }) => job_id ?? []))]
  return html`<h2 tabindex="-1">Order ${order.code}</h2>
    <p>
      <strong>${order.status}</strong> at ${order.restaurant}, placed ${moment(order.placed_at, nowMs)}
      ${order.customer_id === null ? nothing : html`by <a href=${linkTo('search', { q: order.customer_id })}>${order.customer_id}</a>`}
      <code>${order.order_id}</code>
    </p>
    ${trace_ids.map(trace => html`<p>Trace <code>${trace}</code></p>`)}
    ${stuck.map(
      ({ reason, queue, next_attempt_at, error }) => html`<p class="bad" role="status">
        Stuck: ${reason} ${queue} ${next_attempt_at === null ? nothing : html`next attempt ${moment(next_attempt_at, nowMs)}`}
        <a href=${linkTo('runbook', { entry: 'orders-stay-placed' })}>Runbook<span class="hidden">: ${reason}</span></a>
        ${error === null ? nothing : html`<pre tabindex="0">${error}</pre>`}
      </p>`,
    )}
    ${jobs.length === 0 ? nothing : html`<p class="actions">${jobs.map(retryControl)}</p>`}
    <ol class="rows story">
      ${entries.map(
        ({ at, kind, what, event_id, job_id, attempts, error, details }) => html`<li
          class=${[kind.toLowerCase(), mark && [event_id, job_id].includes(mark) ? 'marked' : ''].join(' ')}
        >
          <span class="kind">${kind}</span> <strong>${what}</strong>
          ${attempts === null ? nothing : html`<span class="note">attempt ${attempts}</span>`}
          ${detail(details, 'by', 'by')} ${detail(details, 'reason', 'because')}
          <span class="note">${moment(at, nowMs)}</span>
          ${error === null ? nothing : html`<pre tabindex="0">${error}</pre>`}
          ${letterAction(kind, what, job_id, details)}
          ${
            event_id === null && details === null
              ? nothing
              : html`<details>
                <summary>Details<span class="hidden"> of ${what}</span></summary>
                ${event_id === null ? nothing : html`<p>Event <code>${event_id}</code></p>`}
                ${job_id === null ? nothing : html`<p>Job or delivery <code>${job_id}</code></p>`}
                <pre tabindex="0">${JSON.stringify(details, null, 2)}</pre>
              </details>`
          }
        </li>`,
      )}
    </ol>
    <h3>The SQL behind it</h3>
    ${sql.map((statement, index) => toCopy(`SQL ${index + 1}`, statement))}`
}

function detail(details: unknown, name: string, word: string): TemplateResult | typeof nothing {
  const value = (details as Record<string, unknown> | null)?.[name]
  return typeof value === 'string' ? html`<span class="note">${word} ${value}</span>` : nothing
}

const retryControl = (job: string) =>
  changeControl({
    title: 'Retry',
    about: `the job ${job}`,
    path: `jobs/${job}/retry`,
    command: opsCommand(['retry', job]),
  })

/** Redrives a dead letter of the order. */
function letterAction(
  kind: string,
  what: string,
  job: string | null,
  details: unknown,
): TemplateResult | typeof nothing {
  const letter = (details as { dead_letter_id?: string } | null)?.dead_letter_id
  if (kind !== 'DEAD_LETTER' || letter === undefined || !what.endsWith('became a dead letter')) return nothing
  return changeControl({
    title: 'Redrive',
    about: `the dead letter of the job ${job}`,
    path: `jobs/${job}/retry`,
    command: opsCommand(['redrive'], { id: letter }),
  })
}
