import type { ClientBase } from 'pg'
import { checks } from '../../src/ops/invariants/invariants.ts'
import { counted } from '../../src/platform/counted.ts'
import { plainTable } from './plain-table.ts'

export interface CheckResult {
  name: string
  /** what a row of the view means */
  comment: string
  /** rows that violate the invariant, at most {@link MAX_ROW_COUNT} */
  rows: Record<string, unknown>[]
  ms: number
}

/** Enough rows to find the cause; `select * from ops.…` shows all of them. */
const MAX_ROW_COUNT = 20

/** Reads every `ops.check_*` view in one snapshot, so that the results agree under load. */
export async function runChecks(client: ClientBase): Promise<CheckResult[]> {
  await client.query('begin isolation level repeatable read read only')
  try {
    const results: CheckResult[] = []
    for (const { name, comment } of checks) {
      const started = performance.now()
      const { rows } = await client.query<Record<string, unknown>>(
        `select * from ops.${name} limit ${MAX_ROW_COUNT}`,
      )
      results.push({ name, comment, rows, ms: performance.now() - started })
    }
    return results
  } finally {
    await client.query('rollback')
  }
}

/** Returns a table with one line per invariant, followed by the rows that violate one. */
export function describeChecks(results: readonly CheckResult[]): string {
  const lines = results.map(({ name, rows, ms }) => [
    rows.length === 0 ? 'ok' : 'VIOLATED',
    `ops.${name}`,
    rows.length === 0
      ? ''
      : rows.length === MAX_ROW_COUNT
        ? `${MAX_ROW_COUNT} rows or more`
        : counted(rows.length, 'row'),
    `${ms.toFixed(0)} ms`,
  ])
  const violated = results.filter(({ rows }) => rows.length > 0)
  const details = violated.map(({ name, comment, rows }) =>
    [`\nops.${name}: ${comment}`, ...rows.map(row => `  ${JSON.stringify(row)}`)].join('\n'),
  )
  const table = plainTable(['left', 'left', 'right', 'right'], ['', 'invariant', '', 'took'], lines)
  return [table, ...details].join('\n')
}
