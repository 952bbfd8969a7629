import { html, type TemplateResult } from 'lit-html'
import { toCopy } from './copy.ts'

/** A change that an operator makes on the page, or with a shell command. */
export interface Change {
  /** what the button does, e.g. `Pause` */
  title: string
  /** what it is done to */
  about: string
  /** below `api/v1/ops` */
  path?: string
  /** changes everything that matches */
  action?: { kind: string; filter: Readonly<Record<string, string | undefined>> }
  /** the filter of the action gets a time that the operator enters */
  asksSince?: boolean
  command: string
}

/** What the caller can do; the overview says so. */
export const rights = { canChange: false, because: '', asksActor: false }

const CHANGE_ASKED = 'change-asked'

/** A button that opens the dialog of a change; without the right, the shell command to copy. */
export function changeControl(change: Change): TemplateResult {
  const { title, about, command } = change
  const name = html`${title}<span class="hidden"> ${about}</span>`
  if (rights.canChange)
    return html`<button
      type="button"
      aria-haspopup="dialog"
      @click=${() => dispatchEvent(new CustomEvent<Change>(CHANGE_ASKED, { detail: change }))}
    >
      ${name} …
    </button>`
  return html`<details>
    <summary>${name}</summary>
    ${toCopy('In a shell', command)}
    ${rights.because === '' ? '' : html`<p class="note">Not on this page: ${rights.because}.</p>`}
  </details>`
}

export function onChangeAsked(listener: (change: Change) => void): void {
  addEventListener(CHANGE_ASKED, event => listener((event as CustomEvent<Change>).detail))
}
