import type { DeadLetter } from '../../src/ops/actions/dead-letters.ts'
import { field, type Row, rowsTable } from './rows-table.ts'

/**
 * Returns a table with one line per dead letter.
 * @param none returned when there is no dead letter
 */
export function describeLetters(
  letters: readonly DeadLetter[],
  none = 'No open dead letter matches.',
): string {
  const rows = letters.map(letter => ({ ...letter }))
  const columns = {
    'dead letter': field('dead_letter_id'),
    queue: field('queue'),
    event: field('event_type'),
    order: field('order_id'),
    attempts: field('attempts'),
    died: field('dead_at'),
    error: (row: Row) => `${row['beyond_horizon'] ? '(too old) ' : ''}${messageOf(row['error'])}`,
  }
  const decided = letters.some(({ fate }) => fate !== 'OPEN')
  return rowsTable(rows, decided ? { ...columns, fate: field('fate') } : columns, none)
}

function messageOf(error: unknown): string {
  return (error as DeadLetter['error'])?.message ?? ''
}
