import type { DatabaseError } from 'pg'
import { escapeControls } from './sql-cell.ts'

/**
 * What is wrong with a query, for the one who typed it: the message, the line with a caret under
 * the place, and what the server adds.
 */
export function describeSqlError(error: DatabaseError, query: string): string {
  const { message, code, detail, hint, where, position } = error
  return [
    `${message}${code ? ` (${code})` : ''}`,
    ...(position ? pointAt(query, Number(position)) : []),
    ...(detail ? [`detail: ${detail}`] : []),
    ...(hint ? [`hint: ${hint}`] : []),
    ...(where ? [`where: ${where}`] : []),
  ]
    .map(escapeControls)
    .join('\n')
}

/** @param position counted in characters, from 1 */
function pointAt(query: string, position: number): string[] {
  const before = Array.from(query)
    .slice(0, position - 1)
    .join('')
  const start = before.lastIndexOf('\n') + 1
  const [line = ''] = query.slice(start).split('\n')
  // A tab would be wider than the caret's line knows.
  const indent = ' '.repeat(Array.from(before.slice(start)).length)
  return [`  ${line.replaceAll(/\s/g, ' ')}`, `  ${indent}^`]
}
