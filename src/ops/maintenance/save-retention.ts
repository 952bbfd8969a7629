import type { Sql } from '../../db/transaction.ts'
import type { Retention } from '../../platform/retention.ts'

/** Stores the retention periods, which workers and the views of `ops` read. */
export async function saveRetention(sql: Sql, retention: Retention): Promise<void> {
  await sql.execute(saveSql, [Object.keys(retention), Object.values(retention)])
}

const saveSql = `
  insert into retention (name, minutes, kept_since)
  select name, minutes, now() - minutes * interval '1 minute'
  from unnest($1::text[], $2::integer[]) as period (name, minutes)
  on conflict (name) do update
  set minutes = excluded.minutes
`
