import { plainTable } from '../support/plain-table.ts'
import { escapeControls } from '../support/sql-cell.ts'

export type Row = Record<string, unknown>

/** The columns of a table, by heading; each function returns the cell of a row. */
export type Columns = Record<string, (row: Row) => unknown>

/** Returns rows as a table with numbers aligned right, or `none` when there are no rows. */
export function rowsTable(rows: readonly Row[], columns: Columns, none: string): string {
  if (rows.length === 0) return none
  const cells = rows.map(row => Object.values(columns).map(valueOf => valueOf(row)))
  const aligns = Object.keys(columns).map((_, index) =>
    cells.every(line => line[index] === null || typeof line[index] === 'number') ? 'right' : 'left',
  )
  return plainTable(
    aligns,
    Object.keys(columns),
    cells.map(line => line.map(cellText)),
  )
}

/** Returns a column that shows a field unchanged. */
export const field = (name: string) => (row: Row) => row[name]

/** Returns a column that shows a number of seconds in a readable unit. */
export const seconds = (name: string) => (row: Row) =>
  row[name] === null ? null : shortTime(Number(row[name]))

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Formats a number of seconds: `0.012` is `12ms`, `75` is `1m 15s`. */
export function shortTime(time: number): string {
  if (time < 1) return `${Math.round(time * 1_000)}ms`
  if (time < MINUTE) return `${Math.round(time)}s`
  if (time < HOUR) return `${Math.floor(time / MINUTE)}m ${Math.floor(time % MINUTE)}s`
  if (time < DAY) return `${Math.floor(time / HOUR)}h ${Math.floor((time % HOUR) / MINUTE)}m`
  return `${Math.floor(time / DAY)}d ${Math.floor((time % DAY) / HOUR)}h`
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (value instanceof Date) return value.toISOString()
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return escapeControls(text.split('\n', 1)[0] ?? '')
}
