import { html, nothing, type TemplateResult } from 'lit-html'
import type { DeadLetter, DeadLetterCounts, Job, QuarantinedEvent, Webhook } from './api-types.ts'
import { changeControl } from './change.ts'
import { opsCommand, opsCurl } from './commands.ts'
import { toCopy } from './copy.ts'
import { filterForm } from './filter-form.ts'
import { atLeast, moment, seconds } from './format.ts'
import { linkTo, type Place } from './place.ts'

/** Latest dead letters that the API counts and searches at most. */
const MAX_SEARCHED = 20_000

const orderLink = (orderId: string | null, about: string) =>
  orderId === null
    ? nothing
    : html`<a href=${linkTo('order', { id: orderId, mark: about })}>Order<span class="hidden"> of ${about}</span></a>`

const errorText = (error: string | null) =>
  error === null ? nothing : html`<pre tabindex="0">${error}</pre>`

const empty = (rows: readonly unknown[], text: string) => (rows.length === 0 ? html`<p>${text}</p>` : nothing)

export function jobsView({ filters }: Place, jobs: readonly Job[], nowMs: number): TemplateResult {
  return html`<h2 tabindex="-1">Jobs of ${filters['queue']}</h2>
    ${filterForm('jobs', filters, [
      { name: 'queue', label: 'Queue', isFixed: true },
      { name: 'state', label: 'State', choices: ['created', 'active', 'retry', 'failed', 'completed'] },
      { name: 'since', label: 'Since', isTime: true },
      { name: 'until', label: 'Until', isTime: true },
    ])}
    ${
      filters['state'] === 'retry' || filters['state'] === 'failed'
        ? changeControl({
            title: 'Retry all',
            about: 'jobs that match',
            action: { kind: 'jobs.retry', filter: filters },
            command: opsCurl('actions', { kind: 'jobs.retry', filter: filters }),
          })
        : nothing
    }
    ${empty(jobs, 'No job matches.')}
    <ul class="rows">
      ${jobs.map(
        ({
          job_id,
          event_type,
          order_id,
          attempts,
          max_attempts,
          state,
          error,
          queued_at,
          due_at,
          finished_at,
        }) => html`<li>
          <strong>${state}</strong> ${event_type} <code>${job_id}</code> ${orderLink(order_id, job_id)}
          <span class="note">
            attempt ${attempts} of ${max_attempts}; queued ${moment(queued_at, nowMs)}; due
            ${moment(due_at, nowMs)}; finished ${moment(finished_at, nowMs)}
          </span>
          ${errorText(error)}
          ${
            state === 'retry' || state === 'failed'
              ? changeControl({
                  title: 'Retry',
                  about: `the job ${job_id}`,
                  path: `jobs/${job_id}/retry`,
                  command: opsCommand(['retry', job_id]),
                })
              : nothing
          }
        </li>`,
      )}
    </ul>`
}

export function deadLettersView(
  { filters }: Place,
  letters: readonly DeadLetter[],
  counts: DeadLetterCounts | undefined,
  nowMs: number,
): TemplateResult {
  const { fate = 'OPEN', ...chosen } = filters
  const { queue, type, error, since, until } = chosen
  const options = { queue, type, error, since, until }
  return html`<h2 tabindex="-1">Dead letters</h2>
    ${filterForm('dead-letters', filters, [
      { name: 'queue', label: 'Queue' },
      { name: 'type', label: 'Event type' },
      { name: 'error', label: 'Error contains' },
      { name: 'since', label: 'Since', isTime: true },
      { name: 'until', label: 'Until', isTime: true },
      { name: 'fate', label: 'Decision', choices: ['OPEN', 'REDRIVEN', 'DISCARDED'] },
    ])}
    ${
      fate === 'OPEN' && counts
        ? html`<p role="status"><strong>${atLeast(counts.matching, MAX_SEARCHED)} match</strong>, by error:</p>
          <ul class="rows">
            ${counts.groups.map(
              group => html`<li>
                <a
                  href=${linkTo('dead-letters', { ...chosen, queue: group.queue, type: group.event_type, error: firstLine(group.error) })}
                  >${group.dead_letters} in ${group.queue}, ${group.event_type}</a
                >
                <span class="note">${moment(group.first_at, nowMs)} to ${moment(group.last_at, nowMs)}</span>
                ${errorText(group.error)}
              </li>`,
            )}
          </ul>
          ${
            counts.matching === 0
              ? nothing
              : html`<p class="actions">
                ${changeControl({
                  title: 'Redrive all',
                  about: 'dead letters that match',
                  action: { kind: 'dead-letters.redrive', filter: options },
                  command: opsCommand(['redrive'], { ...options, limit: '10000' }),
                })}
                ${changeControl({
                  title: 'Discard all',
                  about: 'dead letters that match',
                  action: { kind: 'dead-letters.discard', filter: options },
                  command: opsCommand(['redrive', '--discard'], { ...options, limit: '10000' }),
                })}
                <a class="runbook" href=${linkTo('runbook', { entry: 'a-dead-letter-appeared' })}>Runbook: a dead letter appeared</a>
              </p>`
          }`
        : nothing
    }
    ${empty(letters, 'No dead letter matches.')}
    <ul class="rows">
      ${letters.map(
        letter => html`<li>
          <strong>${letter.fate}</strong> ${letter.queue} ${letter.event_type}
          <code>${letter.dead_letter_id}</code> ${orderLink(letter.order_id, letter.job_id)}
          <span class="note">
            ${letter.attempts} attempts; died ${moment(letter.died_at, nowMs)}
            ${letter.fate_at === null ? nothing : html`; decided ${moment(letter.fate_at, nowMs)}`}
          </span>
          ${errorText(letter.error)}
          ${
            letter.fate === 'OPEN'
              ? html`<p class="actions">
                ${changeControl({
                  title: 'Redrive',
                  about: `the dead letter ${letter.dead_letter_id}`,
                  path: `jobs/${letter.job_id}/retry`,
                  command: opsCommand(['redrive'], { id: letter.dead_letter_id }),
                })}
                ${changeControl({
                  title: 'Discard',
                  about: `the dead letter ${letter.dead_letter_id}`,
                  action: { kind: 'dead-letters.discard', filter: { id: letter.dead_letter_id } },
                  command: opsCommand(['redrive', '--discard'], { id: letter.dead_letter_id }),
                })}
              </p>`
              : nothing
          }
        </li>`,
      )}
    </ul>`
}

/** The start of an error, which is enough to select its like. */
function firstLine(error: string | null): string | null {
  return error === null ? null : (error.split('\n', 1)[0]?.slice(0, 200) ?? null)
}

export function quarantineView(
  { filters }: Place,
  events: readonly QuarantinedEvent[],
  nowMs: number,
): TemplateResult {
  return html`<h2 tabindex="-1">Quarantined events</h2>
    ${filterForm('quarantine', filters, [
      { name: 'type', label: 'Event type' },
      { name: 'error', label: 'Error contains' },
      { name: 'since', label: 'Since', isTime: true },
      { name: 'until', label: 'Until', isTime: true },
    ])}
    ${empty(events, 'No quarantined event matches.')}
    ${
      events.length === 0
        ? nothing
        : changeControl({
            title: 'Release all',
            about: 'events that match',
            action: { kind: 'quarantine.release', filter: filters },
            command:
              Object.keys(filters).length === 0
                ? opsCommand(['quarantine', 'release', '--all'])
                : opsCurl('actions', { kind: 'quarantine.release', filter: filters }),
          })
    }
    <ul class="rows">
      ${events.map(
        ({ event_id, event_type, order_id, quarantined_at, error }) => html`<li>
          <strong>${event_type}</strong> <code>${event_id}</code> ${orderLink(order_id, event_id)}
          <span class="note">quarantined ${moment(quarantined_at, nowMs)}</span>
          ${errorText(error)}
          ${changeControl({
            title: 'Release',
            about: `the event ${event_id}`,
            action: { kind: 'quarantine.release', filter: { id: event_id } },
            command: opsCommand(['quarantine', 'release'], { id: event_id }),
          })}
        </li>`,
      )}
    </ul>`
}

/** The changes of a webhook by an operator. */
function webhookControls({ webhook_id, host, paused_at }: Webhook): TemplateResult[] {
  const verb = paused_at === null ? 'pause' : 'resume'
  const control = (title: string, name: string) =>
    changeControl({
      title,
      about: host,
      path: `webhooks/${webhook_id}/${name}`,
      command: opsCurl(`webhooks/${webhook_id}/${name}`),
    })
  const kind = 'webhooks.redeliver'
  return [
    control('Send a test event to', 'test'),
    control(verb === 'pause' ? 'Pause' : 'Resume', verb),
    changeControl({
      title: 'Send again everything since',
      about: `a time to ${host}`,
      action: { kind, filter: { webhook_id } },
      asksSince: true,
      command: opsCurl('actions', { kind, filter: { webhook_id, since: '2026-01-01T00:00:00Z' } }),
    }),
  ]
}

interface LastAnswer {
  at: string
  delivery_id: string
  status: number | null
  duration_ms: number
  answer: string | null
  error: string | null
}

export function webhooksView(
  { filters }: Place,
  webhooks: readonly Webhook[],
  nowMs: number,
): TemplateResult {
  const curl = (method: string, path: string, body = '') =>
    `curl -X ${method} -H "Authorization: Bearer $TOKEN" ${body}$API/webhooks/${path}`
  const status = (value: string) => `-H "Content-Type: application/json" -d '{"status":"${value}"}' `
  return html`<h2 tabindex="-1">Webhooks</h2>
    ${filterForm('webhooks', filters, [{ name: 'host', label: 'Host contains' }])}
    ${empty(webhooks, 'No webhook matches.')}
    <ul class="rows">
      ${webhooks.map(
        webhook => html`<li class=${webhook.failing_since === null && webhook.paused_at === null && webhook.status === 'ACTIVE' ? '' : 'bad'}>
          <strong>${webhook.host}</strong> ${webhook.status} ${webhook.disabled_reason} ${webhook.paused_at === null ? nothing : 'paused'}
          <code>${webhook.webhook_id}</code>
          <span class="note">
            ${webhook.pending} pending, oldest ${seconds(webhook.oldest_pending_seconds)};
            ${webhook.dead_letters} dead letters; last success ${moment(webhook.last_success_at, nowMs)};
            failing since ${moment(webhook.failing_since, nowMs)}
          </span>
          <p class="actions">${webhookControls(webhook)}</p>
          <ul class="answers">
            ${((webhook.last_answers ?? []) as LastAnswer[]).map(
              ({ at, delivery_id, status: answered, duration_ms, answer, error }) => html`<li>
                ${answered ?? 'no answer'} after ${duration_ms} ms <span class="note">${moment(at, nowMs)}</span>
                ${errorText(error ?? answer)}
                ${changeControl({
                  title: 'Send again',
                  about: `the delivery ${delivery_id}`,
                  path: `deliveries/${delivery_id}/redeliver`,
                  command: opsCurl(`deliveries/${delivery_id}/redeliver`),
                })}
              </li>`,
            )}
          </ul>
          <details>
            <summary>Disable or enable<span class="hidden"> ${webhook.host}</span></summary>
            ${toCopy('Disable', curl('PATCH', webhook.webhook_id, status('DISABLED')))}
            ${toCopy('Enable', curl('PATCH', webhook.webhook_id, status('ACTIVE')))}
          </details>
        </li>`,
      )}
    </ul>`
}
