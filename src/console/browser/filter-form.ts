import { html, nothing, type TemplateResult } from 'lit-html'
import { linkTo, type View } from './place.ts'

interface Field {
  name: string
  label: string
  choices?: readonly string[]
  /** RFC 3339 */
  isTime?: boolean
  /** kept from the link that led here */
  isFixed?: boolean
}

/** The filters of a list, which stand in the URL. */
export function filterForm(
  view: View,
  filters: Readonly<Record<string, string>>,
  fields: Field[],
): TemplateResult {
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const values = [...new FormData(event.target as HTMLFormElement)].map(([name, value]) => [
      name,
      typeof value === 'string' ? value : '',
    ])
    navigate(linkTo(view, Object.fromEntries(values) as Record<string, string>))
  }
  return html`<form class="filters" @submit=${submit}>
    ${fields.map(field => {
      const { name, label, choices, isTime, isFixed } = field
      const value = filters[name] ?? ''
      if (isFixed) return html`<input type="hidden" name=${name} .value=${value} />`
      return html`<label>
        ${label}
        ${
          choices
            ? html`<select name=${name}>
              <option value="" .selected=${value === ''}>${name === 'fate' ? 'OPEN (default)' : 'any'}</option>
              ${choices.map(choice => html`<option .selected=${choice === value}>${choice}</option>`)}
            </select>`
            : html`<input name=${name} .value=${value} placeholder=${isTime ? '2026-11-22T18:00:00Z' : nothing} autocomplete="off" />`
        }
      </label>`
    })}
    <button>Filter</button>
    ${Object.keys(filters).length > 0 ? html`<a href=${linkTo(view, fixedOf(filters, fields))}>Clear</a>` : nothing}
  </form>`
}

function fixedOf(
  filters: Readonly<Record<string, string>>,
  fields: Field[],
): Record<string, string | undefined> {
  return Object.fromEntries(
    fields
      .filter(({ isFixed }) => isFixed)
      .map(({ name }): [string, string | undefined] => [name, filters[name]]),
  )
}

/** Goes to a place without loading the page again. */
export function navigate(link: string): void {
  history.pushState(null, '', link)
  dispatchEvent(new PopStateEvent('popstate'))
}
