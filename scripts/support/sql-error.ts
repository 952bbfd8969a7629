import type { DatabaseError } from 'pg'
import { escapeControls } from './sql-cell.ts'

/**
 * Describes an error of a query: the message, the line with a caret below the position, and the
 * detail, hint and context from Postgres.
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

/** @param position in characters, from 1 */
function pointAt(query: string, position: number): string[] {
  const before = Array.from(query)
    .slice(0, position - 1)
    .join('')
  const start = before.lastIndexOf('\n') + 1
  const [line = ''] = query.slice(start).split('\n')
  // Blanks replace tabs, so that the caret stands below the right character.
  const indent = ' '.repeat(Array.from(before.slice(start)).length)
  return [`  ${line.replaceAll(/\s/g, ' ')}`, `  ${indent}^`]
}
