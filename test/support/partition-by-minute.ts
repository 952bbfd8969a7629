import type { Database } from '../../src/db/database.ts'
import { partitionedTables, partitionsOf } from '../../src/ops/maintenance/partitions.ts'

/**
 * Replaces all partitions, with their rows, by one per minute, for the last ten minutes and five to
 * come.
 */
export async function partitionByMinute(database: Database): Promise<void> {
  for (const table of partitionedTables) {
    for (const { name } of await partitionsOf(database, table)) await database.execute(`drop table ${name}`)
    await database.query(
      `select create_partition($1, date_trunc('minute', now()) + minute * interval '1 minute',
        date_trunc('minute', now()) + (minute + 1) * interval '1 minute')
      from generate_series(-10, 5) as minute`,
      [table],
    )
  }
}
