/** How a value looks in a table: Postgres's own text, made compact and safe for a terminal. */

/** Type oids of `pg_type`, which are the same in every Postgres. */
const BOOLEAN_TYPE = 16
const JSON_TYPES = new Set([114, 3802])
const TIMESTAMP_TYPES = new Set([1114, 1184])
const NUMBER_TYPES = new Set([20, 21, 23, 26, 700, 701, 790, 1700])

/** What stands for null: not to be taken for an empty text or for the word. */
const NULL_CELL = '(null)'

export function isNumberType(oid: number): boolean {
  return NUMBER_TYPES.has(oid)
}

/** @param text the value in Postgres's text format, with `datestyle` ISO and `timezone` UTC */
export function sqlCell(text: string | null, oid: number): string {
  if (text === null) return NULL_CELL
  if (oid === BOOLEAN_TYPE) return text === 't' ? 'true' : 'false'
  if (JSON_TYPES.has(oid)) return escapeControls(compactJson(text))
  if (TIMESTAMP_TYPES.has(oid)) return isoTimestamp(text)
  return escapeControls(text)
}

/** Takes the blanks out that are not in strings. Parsing would lose digits of large numbers. */
function compactJson(text: string): string {
  return text.replaceAll(/("(?:[^"\\]|\\.)*")|\s+/g, '$1')
}

/** `2026-11-22 18:30:00.25+00` becomes `2026-11-22T18:30:00.25Z`; `infinity` stays. */
function isoTimestamp(text: string): string {
  return text.replace(/^(\d+-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)(\+00)?/, (_, date, time, zone) => {
    return `${date}T${time}${zone ? 'Z' : ''}`
  })
}

/**
 * What customers type ends up here: an escape sequence must not reach the terminal, nor text that
 * changes its direction. Line breaks stay.
 */
export function escapeControls(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, character =>
    character === '\t' ? '\\t' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
