import { html, nothing, render, type TemplateResult } from 'lit-html'
import type { Answer, Api } from '../../pages/browser/api.ts'
import { newKey } from '../../pages/browser/new-key.ts'
import type { Action, Matches } from './api-types.ts'
import { type Change, rights } from './change.ts'
import { toCopy } from './copy.ts'
import { navigate } from './filter-form.ts'
import { linkTo } from './place.ts'

/** Targets that an action has at most. */
const MAX_TARGETS = 100_000

/** Asks for the reason of a change, shows what it would change, makes it, and shows the result. */
export class ChangeDialog {
  readonly #api: Api
  readonly #changed: () => void
  readonly #dialog = document.createElement('dialog')
  #change: Change | undefined
  #since = ''
  #matches: Matches | undefined
  #problem: string | undefined
  #result: string | undefined
  #isBusy = false
  #key = ''

  /** @param changed runs after a change, so that the page is read again */
  constructor(api: Api, changed: () => void) {
    this.#api = api
    this.#changed = changed
    this.#dialog.setAttribute('aria-labelledby', 'change-title')
    document.body.append(this.#dialog)
  }

  open(change: Change): void {
    this.#change = change
    this.#since = ''
    this.#matches = undefined
    this.#problem = undefined
    this.#result = undefined
    this.#isBusy = false
    // The same request sent twice makes one change.
    this.#key = newKey()
    this.#draw()
    this.#dialog.querySelector('form')?.reset()
    this.#dialog.showModal()
    if (change.action && !change.asksSince) void this.#preview()
  }

  async #preview(): Promise<void> {
    const { change, filter } = { change: this.#change, filter: this.#filter() }
    const answer = await this.#call('action-previews', { kind: change?.action?.kind, filter }, newKey())
    if (this.#change !== change) return
    this.#problem = answer.problem
    this.#matches = answer.problem === undefined ? (answer.body as Matches) : undefined
    this.#draw()
  }

  #filter(): Record<string, string> {
    const given = { ...this.#change?.action?.filter, ...(this.#since ? { since: this.#since } : {}) }
    return Object.fromEntries(
      Object.entries(given).filter((entry): entry is [string, string] => Boolean(entry[1])),
    )
  }

  async #submit(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    const change = this.#change
    if (!change || this.#isBusy) return
    if (change.asksSince && !this.#matches) return await this.#preview()
    const values = new FormData(event.target as HTMLFormElement)
    const [reason, actor] = ['reason', 'actor'].map(name => {
      const value = values.get(name)
      return typeof value === 'string' ? value.trim() : ''
    })
    this.#isBusy = true
    this.#draw()
    const answer = await this.#call(
      change.action ? 'actions' : (change.path ?? ''),
      {
        ...(change.action
          ? { kind: change.action.kind, filter: this.#filter(), expected_count: this.#matches?.count }
          : {}),
        reason,
        ...(actor ? { actor } : {}),
      },
      this.#key,
    )
    if (this.#change !== change) return
    this.#isBusy = false
    this.#problem = answer.problem
    // A request that was refused is not repeated, but sent as another one.
    if (answer.status >= 400) this.#key = newKey()
    if (answer.problem === undefined) {
      if (change.action) {
        this.#dialog.close()
        return navigate(linkTo('actions', { id: (answer.body as Action).action_id }))
      }
      this.#result = resultOf(change, answer)
      this.#changed()
    } else if (change.action) await this.#preview().then(() => (this.#problem ??= answer.problem))
    this.#draw()
  }

  /** @param key sessions of the pages may change nothing without one */
  async #call(path: string, body: object, key: string): Promise<Answer> {
    const headers = { 'idempotency-key': key }
    return await this.#api.call(`api/v1/ops/${path}`, { method: 'POST', body, headers })
  }

  #draw(): void {
    if (this.#change) render(this.#view(this.#change), this.#dialog)
  }

  #view(change: Change): TemplateResult {
    const { title, about, command } = change
    const close = () => this.#dialog.close()
    return html`<h2 id="change-title">${title} ${about}</h2>
      ${this.#problem === undefined ? nothing : html`<p class="problem" role="alert">${this.#problem}</p>`}
      ${
        this.#result === undefined
          ? this.#form(change)
          : html`<p role="status"><strong>${this.#result}</strong></p>
            <button type="button" @click=${close}>Close</button>`
      }
      <details>
        <summary>In a shell</summary>
        ${toCopy('Command', command)}
      </details>`
  }

  #form({ title, action, asksSince }: Change): TemplateResult {
    const matches = this.#matches
    const count = matches === undefined ? '' : ` ${matches.count}`
    const isPreview = asksSince === true && matches === undefined
    return html`<form class="change" @submit=${(event: SubmitEvent) => void this.#submit(event)}>
      ${
        asksSince
          ? html`<label
              >Since (RFC 3339)
              <input
                name="since"
                required
                autocomplete="off"
                placeholder="2026-11-22T18:00:00Z"
                @input=${(event: InputEvent) => {
                  this.#since = (event.target as HTMLInputElement).value.trim()
                  this.#matches = undefined
                  this.#draw()
                }}
            /></label>`
          : nothing
      }
      ${action ? this.#matching(matches, isPreview) : nothing}
      <label>Reason <input name="reason" required maxlength="500" autocomplete="off" ?disabled=${isPreview} /></label>
      ${
        rights.asksActor
          ? html`<label>Your name <input name="actor" required maxlength="100" autocomplete="name" ?disabled=${isPreview} /></label>`
          : nothing
      }
      <p class="actions">
        <button ?disabled=${this.#isBusy || (action !== undefined && !isPreview && !matches?.count)}>
          ${isPreview ? 'Preview' : `${title}${count}`}
        </button>
        <button type="button" @click=${() => this.#dialog.close()}>Back</button>
      </p>
    </form>`
  }

  #matching(matches: Matches | undefined, isPreview: boolean): TemplateResult | typeof nothing {
    if (isPreview) return nothing
    if (!matches) return html`<p role="status">Counting …</p>`
    return html`<p role="status">
        <strong>${matches.count === 0 ? 'Nothing matches' : `${matches.count} match`}</strong>${
          matches.count < MAX_TARGETS ? nothing : ' or more; the oldest are changed'
        }
      </p>
      <ul class="matches">
        ${matches.by.map(
          ({ queue, event_type, error, state, count }) =>
            html`<li>${count}: ${[queue, event_type, state, error].filter(Boolean).join(', ')}</li>`,
        )}
      </ul>`
  }
}

/** Returns the result of a change in a sentence. */
function resultOf({ title, about }: Change, { body }: Answer): string {
  const reply = body as { changed?: boolean; redriven_job_id?: string | null; result?: string }
  // An action that was cancelled, or had ended before.
  if (reply.result) return `${reply.result}.`
  if (reply.changed === false) return 'It was so before: nothing was changed.'
  if (reply.redriven_job_id) return `Redriven as the job ${reply.redriven_job_id}.`
  return `Done: ${title.toLowerCase()} ${about}.`
}
