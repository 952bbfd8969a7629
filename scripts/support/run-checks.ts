import type { ClientBase } from 'pg'
import { checks } from '../../src/ops/invariants/invariants.ts'
import { plainTable } from './plain-table.ts'

export interface CheckResult {
  name: string
  /** what a row of it means */
  comment: string
  /** rows that break the promise, at most {@link MAX_ROW_COUNT} */
  rows: Record<string, unknown>[]
  ms: number
}

/** Enough to see what is wrong; `select * from ops.…` shows the rest. */
const MAX_ROW_COUNT = 20

/** Runs every check of `ops` in one snapshot, so that load cannot make them contradict each other. */
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

/** A line a check, and below what breaks a promise. */
export function describeChecks(results: readonly CheckResult[]): string {
  const lines = results.map(({ name, rows, ms }) => [
    rows.length === 0 ? 'ok' : 'BROKEN',
    `ops.${name}`,
    rows.length === 0
      ? ''
      : rows.length === MAX_ROW_COUNT
        ? `${MAX_ROW_COUNT} rows or more`
        : `${rows.length} rows`,
    `${ms.toFixed(0)} ms`,
  ])
  const broken = results.filter(({ rows }) => rows.length > 0)
  const details = broken.map(({ name, comment, rows }) =>
    [`\nops.${name}: ${comment}`, ...rows.map(row => `  ${JSON.stringify(row)}`)].join('\n'),
  )
  return [plainTable(['left', 'left', 'right', 'right'], ['', 'check', '', 'took'], lines), ...details].join(
    '\n',
  )
}
