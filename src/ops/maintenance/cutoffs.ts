import type { Sql } from '../../db/transaction.ts'
import type { Retention } from '../../platform/retention.ts'

/**
 * The time before which the rows of each table may be deleted, by the clock of the database, and
 * how long they are kept.
 */
export interface Cutoffs {
  get(table: keyof Retention): { minutes: number; kept_since: Date }
}

/**
 * Moves the times before which rows may be deleted, which never go back, and commits them before
 * any row is deleted: a reader that finds an unchanged time afterwards has missed no row.
 */
export async function advanceCutoffs(sql: Sql): Promise<Cutoffs> {
  const rows = await sql.query<{ name: string; minutes: number; kept_since: Date }>(advanceSql)
  const byName = new Map(rows.map(row => [row.name, row]))
  return {
    get: table => {
      const cutoff = byName.get(table)
      if (!cutoff) throw new Error(`the table retention lacks ${table}: run npm run migrate`)
      return cutoff
    },
  }
}

const advanceSql = `
  update retention
  set kept_since = greatest(kept_since, now() - minutes * interval '1 minute')
  returning name, minutes, kept_since
`
