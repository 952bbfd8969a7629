import Table from 'cli-table3'
import type { FieldDef, QueryArrayResult } from 'pg'
import { counted } from '../../src/platform/counted.ts'
import { isNumberType, sqlCell } from './sql-cell.ts'

/** A result with every value in the text format of Postgres. */
export type SqlResult = QueryArrayResult<(string | null)[]>

/** Maximum number of printed rows. Beyond it, only the count is printed. */
export const MAX_PRINTED_ROW_COUNT = 1_000

const changes: Record<string, string> = {
  INSERT: 'inserted',
  UPDATE: 'updated',
  DELETE: 'deleted',
  MERGE: 'merged',
  COPY: 'copied',
}
const PLAIN = { head: [], border: [] }
/** Width of the borders and the padding of a record. */
const RECORD_FRAME_WIDTH = 7
const MIN_VALUE_WIDTH = 20

/**
 * Describes the result of one statement: its rows as a table, and their number. A table that is too
 * wide is printed as one record per row.
 * @param columns width of the terminal; Infinity without a terminal
 */
export function describeResult(result: SqlResult, columns: number): string {
  const shown = result.rows.slice(0, MAX_PRINTED_ROW_COUNT)
  if (result.fields.length === 0) return describeEffect(result)
  const cells = shown.map(row =>
    row.map((value, index) => sqlCell(value, result.fields[index]?.dataTypeID ?? 0)),
  )
  const table = wideTable(result.fields, cells)
  const isTooWide = table.indexOf('\n') > columns && cells.length > 0
  return [isTooWide ? records(result.fields, cells, columns) : table, describeEffect(result)].join('\n')
}

function wideTable(fields: readonly FieldDef[], cells: readonly string[][]): string {
  const table = new Table({
    head: fields.map(({ name }) => name),
    colAligns: fields.map(({ dataTypeID }) => (isNumberType(dataTypeID) ? 'right' : 'left')),
    style: { ...PLAIN, compact: true },
  })
  table.push(...cells)
  return table.toString()
}

function records(fields: readonly FieldDef[], cells: readonly string[][], columns: number): string {
  const nameWidth = Math.max(...fields.map(({ name }) => name.length))
  const valueWidth = Math.max(MIN_VALUE_WIDTH, columns - nameWidth - RECORD_FRAME_WIDTH)
  return cells
    .map(row => {
      const table = new Table({
        colWidths: [nameWidth + 2, valueWidth + 2],
        wordWrap: true,
        wrapOnWordBoundary: false,
        style: { ...PLAIN, compact: true },
      })
      table.push(...fields.map(({ name }, index) => [name, row[index] ?? '']))
      return table.toString()
    })
    .join('\n')
}

function describeEffect({ command, rowCount, rows, fields }: SqlResult): string {
  const count = rowCount ?? rows.length
  const rowsText = counted(count, 'row')
  const change = changes[command]
  if (change) return `${rowsText} ${change}`
  if (fields.length === 0) return command ? `${command.toLowerCase()}: done` : 'nothing to do'
  return count > MAX_PRINTED_ROW_COUNT ? `${rowsText}, of which the first ${MAX_PRINTED_ROW_COUNT}` : rowsText
}
