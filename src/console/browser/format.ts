import { html, type TemplateResult } from 'lit-html'
import { ageInWords } from '../../pages/browser/clock.ts'

export const isUtc = { value: false }

/** Shows a time on the clock of this device, or in UTC, and how long ago it was. */
export function moment(time: string | null, nowMs: number): TemplateResult | string {
  if (time === null) return '–'
  const date = new Date(time)
  const options = isUtc.value ? { timeZone: 'UTC' } : {}
  const text = date.toLocaleString('sv-SE', { dateStyle: 'short', timeStyle: 'medium', ...options })
  const ageMs = nowMs - date.getTime()
  return html`<time datetime=${time} title=${time}>${text}${isUtc.value ? ' UTC' : ''}</time>
    <span class="age">${ageMs < 0 ? `in ${ageInWords(-ageMs)}` : agoOf(ageMs)}</span>`
}

function agoOf(ageMs: number): string {
  const words = ageInWords(ageMs)
  return words === 'just now' ? words : `${words} ago`
}

/** Shows a number of seconds in a readable unit: `12 ms`, `1.5 s`, `3 min`. */
export function seconds(value: number | null): string {
  if (value === null) return '–'
  if (value < 1) return `${Math.round(value * 1_000)} ms`
  if (value < 60) return `${value.toFixed(1)} s`
  return ageInWords(value * 1_000)
}

/** Shows a count that stops at a maximum: `9412`, `10000+`. */
export function atLeast(count: number, max: number): string {
  return count < max ? String(count) : `${max}+`
}
