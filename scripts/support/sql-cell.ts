/** Formats a value for a table: Postgres's text format, made compact and safe for a terminal. */

/** Oids of `pg_type`, which are the same in every Postgres. */
const BOOLEAN_TYPE = 16
const JSON_TYPES = new Set([114, 3802])
const TIMESTAMP_TYPES = new Set([1114, 1184])
const NUMBER_TYPES = new Set([20, 21, 23, 26, 700, 701, 790, 1700])

/** Shown for null, to distinguish it from an empty text and from the word null. */
const NULL_CELL = '(null)'

export function isNumberType(oid: number): boolean {
  return NUMBER_TYPES.has(oid)
}

/**
 * Returns the cell of a value.
 * @param text the value in Postgres's text format, with `datestyle` ISO and `timezone` UTC
 */
export function sqlCell(text: string | null, oid: number): string {
  if (text === null) return NULL_CELL
  if (oid === BOOLEAN_TYPE) return text === 't' ? 'true' : 'false'
  if (JSON_TYPES.has(oid)) return escapeControls(compactJson(text))
  if (TIMESTAMP_TYPES.has(oid)) return isoTimestamp(text)
  return escapeControls(text)
}

/** Removes blanks outside of strings. Parsing would lose digits of large numbers. */
function compactJson(text: string): string {
  return text.replaceAll(/("(?:[^"\\]|\\.)*")|\s+/g, '$1')
}

/** Changes `2026-11-22 18:30:00.25+00` to `2026-11-22T18:30:00.25Z`; keeps `infinity`. */
function isoTimestamp(text: string): string {
  return text.replace(/^(\d+-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)(\+00)?/, (_, date, time, zone) => {
    return `${date}T${time}${zone ? 'Z' : ''}`
  })
}

/**
 * Escapes control characters except line breaks, and characters that change the direction of text:
 * values contain what customers typed and must not control the terminal.
 */
export function escapeControls(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, character =>
    character === '\t' ? '\\t' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
