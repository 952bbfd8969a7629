import { html, nothing, type TemplateResult } from 'lit-html'
import type { Board } from './board.ts'
import { type Command, commands, commandTexts, keyOf, labelOf } from './keymap.ts'

/** Draws the list of the keys, each with a button to change it. */
export function keysPanel(board: Board): TemplateResult {
  const { recorder, settings } = board
  return html`<p>To change a key, press its button, then the new key.</p>
    <p class="problem" role="status">${recorder.problem ?? ''}</p>
    <dl class="keys">
      ${commands.map(
        command => html`<dt>${keyButton(board, command)}</dt>
          <dd>${commandTexts[command]}</dd>`,
      )}
      <dt><kbd>Esc</kbd></dt>
      <dd>closes the panel, ends the search, or keeps a key as it is</dd>
    </dl>
    ${
      Object.keys(settings.keys).length === 0
        ? nothing
        : html`<button @click=${() => recorder.reset()}>Reset all keys</button>`
    }`
}

function keyButton(board: Board, command: Command): TemplateResult {
  const { recorder, settings } = board
  const isWaiting = recorder.command === command
  return html`<button
    data-command=${command}
    aria-pressed=${isWaiting ? 'true' : 'false'}
    @click=${() => recorder.start(command)}
    @blur=${() => {
      if (recorder.command === command) recorder.cancel()
    }}
  >
    ${isWaiting ? 'Press a key' : labelOf(keyOf(settings.keys, command))}<span class="hidden">: ${commandTexts[command]}</span>
  </button>`
}
