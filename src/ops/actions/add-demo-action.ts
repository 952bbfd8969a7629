import type { Tx } from '../../db/transaction.ts'
import { demoIds } from '../../platform/demo-ids.ts'

/** Adds an action that matched nothing, under the id of the documented examples. */
export async function addDemoAction(tx: Tx): Promise<void> {
  await tx.execute(addSql, [demoIds.action])
}

const addSql = `
  insert into ops_actions (action_id, kind, filter, actor, reason, status, ended_at, result)
  values ($1, 'dead-letters.redrive', '{}', 'demo', 'an example', 'DONE', clock_timestamp(), 'Nothing matched')
`
