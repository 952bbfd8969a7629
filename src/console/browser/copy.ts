import { html, type TemplateResult } from 'lit-html'

/** Shows a text to copy: a shell command or SQL. */
export function toCopy(label: string, text: string): TemplateResult {
  return html`<p class="copy">
    <span>${label}</span>
    <code>${text}</code>
    <button type="button" @click=${(event: MouseEvent) => void copy(event.currentTarget as HTMLElement, text)}>
      Copy<span class="hidden">: ${label}</span>
    </button>
  </p>`
}

/** Selects the text as well, because pages without HTTPS may not write to the clipboard. */
async function copy(button: HTMLElement, text: string): Promise<void> {
  const code = button.parentElement?.querySelector('code')
  if (code) getSelection()?.selectAllChildren(code)
  try {
    await navigator.clipboard.writeText(text)
    button.dataset['state'] = 'copied'
  } catch {
    button.dataset['state'] = 'selected'
  }
}
