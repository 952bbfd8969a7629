import { html, nothing, type TemplateResult } from 'lit-html'
import { timeOfDay } from '../../pages/browser/clock.ts'
import { actionsView } from './actions-view.ts'
import type {
  Action,
  DeadLetter,
  Found,
  Job,
  Overview,
  QuarantinedEvent,
  Story,
  Webhook,
} from './api-types.ts'
import type { Console } from './console.ts'
import { toCopy } from './copy.ts'
import { navigate } from './filter-form.ts'
import { isUtc } from './format.ts'
import { deadLettersView, jobsView, quarantineView, webhooksView } from './list-views.ts'
import { overviewView } from './overview-view.ts'
import { linkTo, type View } from './place.ts'
import type { Entry } from './runbook.ts'
import { searchView, storyView } from './story-view.ts'

const tabs: Partial<Record<View, string>> = {
  overview: 'Overview',
  'dead-letters': 'Dead letters',
  quarantine: 'Quarantine',
  webhooks: 'Webhooks',
  actions: 'Actions',
  runbook: 'Runbook',
}

/** Draws the console. */
export function consoleView(console: Console, nowMs: number, redraw: () => void): TemplateResult {
  const { place, asOfMs, problem, isSignedOut, isUnavailable, next } = console
  return html`<a class="skip" href="#content">To the content</a>
    <header class="bar">
      <h1><a href=${linkTo('overview')}>Comanda console</a></h1>
      <p class="chip" role="status">
        ${asOfMs === undefined ? 'Reading …' : `As of ${timeOfDay(asOfMs)}`}${problem === undefined ? nothing : ' – not up to date'}${console.more.length > 0 ? ' – paused' : nothing}
      </p>
      <search>
        <form
          @submit=${(event: SubmitEvent) => {
            event.preventDefault()
            const field = (event.target as HTMLFormElement).elements.namedItem('q') as HTMLInputElement
            navigate(linkTo('search', { q: field.value.trim() }))
          }}
        >
          <label class="hidden" for="q">Order id, code, customer, event, job or delivery</label>
          <input id="q" name="q" type="search" placeholder="Id, code or customer" autocomplete="off" maxlength="100" .value=${place.filters['q'] ?? ''} />
          <button>Find</button>
        </form>
      </search>
      <nav aria-label="Views">
        ${Object.entries(tabs).map(
          ([view, title]) => html`<a
            href=${linkTo(view as View)}
            aria-current=${view === place.view ? 'page' : nothing}
            >${title}</a
          >`,
        )}
        <button
          @click=${() => {
            isUtc.value = !isUtc.value
            redraw()
          }}
        >
          Times: ${isUtc.value ? 'UTC' : 'local'}
        </button>
      </nav>
    </header>
    ${
      problem === undefined
        ? nothing
        : html`<p class="banner alarm" role="alert">
          ${problem} ${isSignedOut ? html`<button @click=${() => location.reload()}>Sign in</button>` : 'The console tries again by itself.'}
          ${isUnavailable ? html`<a class="runbook" href=${linkTo('runbook', { entry: 'the-database-does-not-answer' })}>Runbook<span class="hidden">: the database does not answer</span></a>` : nothing}
        </p>`
    }
    <main id="content" tabindex="-1">
      ${content(console, nowMs)}
      ${next === undefined ? nothing : html`<button @click=${() => void console.readMore()}>More</button>`}
    </main>`
}

function content(console: Console, nowMs: number): TemplateResult {
  const { place, body } = console
  if (place.view === 'search') return searchView(place.filters['q'] ?? '', body as Found[] | undefined, nowMs)
  if (place.view === 'runbook') return runbookView(console.entries, place.filters['entry'])
  if (body === undefined) return html`<p>Reading …</p>`
  const rows = <Row>() => [...(body as Row[]), ...(console.more as Row[])]
  switch (place.view) {
    case 'overview':
      return overviewView(body as Overview, nowMs)
    case 'order':
      return storyView(body as Story, place.filters['mark'], nowMs)
    case 'jobs':
      return jobsView(place, rows<Job>(), nowMs)
    case 'dead-letters':
      return deadLettersView(place, rows<DeadLetter>(), console.counts, nowMs)
    case 'quarantine':
      return quarantineView(place, rows<QuarantinedEvent>(), nowMs)
    case 'webhooks':
      return webhooksView(place, rows<Webhook>(), nowMs)
    case 'actions':
      return actionsView(rows<Action>(), place.filters['id'], nowMs)
  }
}

function runbookView(entries: readonly Entry[], anchor: string | undefined): TemplateResult {
  const entry = entries.find(each => each.anchor === anchor)
  if (!entry)
    return html`<h2 tabindex="-1">Runbook</h2>
      <ul class="rows">
        ${entries.map(each => html`<li><a href=${linkTo('runbook', { entry: each.anchor })}>${each.title}</a></li>`)}
      </ul>`
  return html`<h2 tabindex="-1">${entry.title}</h2>
    ${entry.blocks.map(({ kind, text }, index) =>
      kind === 'command' ? toCopy(`Command ${index + 1}`, text) : html`<p class=${kind}>${text}</p>`,
    )}
    <p><a href=${linkTo('runbook')}>All entries</a></p>`
}
