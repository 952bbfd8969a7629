import { html, nothing, type TemplateResult } from 'lit-html'
import { signOut } from '../../pages/browser/sign-in.ts'
import type { Board } from './board.ts'
import { type Settings, themes, zooms } from './settings.ts'

/** Draws the settings, which apply at once. */
export function settingsPanel(board: Board): TemplateResult {
  const { settings } = board
  return html`<form class="settings" @submit=${(event: Event) => event.preventDefault()}>
    ${choice(
      board,
      'theme',
      'Colours',
      themes.map(theme => [theme, theme] as const),
    )}
    ${choice(
      board,
      'zoom',
      'Size',
      zooms.map(zoom => [zoom, `${zoom} %`] as const),
    )}
    ${minutes(board, 'soonMinutes', 'Mark orders as soon late after (minutes)')}
    ${minutes(board, 'lateMinutes', 'Mark orders as late after (minutes)')}
    <label class="check">
      <input
        type="checkbox"
        .checked=${settings.areKeysOn}
        @change=${(event: Event) => board.change({ areKeysOn: (event.target as HTMLInputElement).checked })}
      />
      Keys of this board
    </label>
    <button type="button" @click=${() => board.open({ name: 'keys' })}>See or change the keys</button>
    ${board.session.signed_in ? html`<button type="button" @click=${() => void signOut(board.api)}>Sign out</button>` : nothing}
  </form>`
}

function choice<Name extends 'theme' | 'zoom'>(
  board: Board,
  name: Name,
  label: string,
  options: readonly (readonly [value: Settings[Name], text: string])[],
): TemplateResult {
  return html`<label for="setting-${name}">${label}</label>
    <select
      id="setting-${name}"
      @change=${(event: Event) => {
        const { selectedIndex } = event.target as HTMLSelectElement
        const option = options[selectedIndex]
        if (option) board.change({ [name]: option[0] })
      }}
    >
      ${options.map(
        ([value, text]) => html`<option .selected=${board.settings[name] === value}>${text}</option>`,
      )}
    </select>`
}

function minutes(board: Board, name: 'soonMinutes' | 'lateMinutes', label: string): TemplateResult {
  return html`<label for="setting-${name}">${label}</label>
    <input
      id="setting-${name}"
      type="number"
      min="1"
      max="240"
      .value=${String(board.settings[name])}
      @change=${(event: Event) => {
        const { valueAsNumber } = event.target as HTMLInputElement
        if (valueAsNumber >= 1) board.change({ [name]: valueAsNumber })
      }}
    />`
}
