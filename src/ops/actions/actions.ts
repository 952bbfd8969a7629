import type { Sql, Tx } from '../../db/transaction.ts'
import { NotFound, UnexpectedCount } from '../../platform/errors.ts'
import { newId } from '../../platform/ids.ts'
import { type ActionFilter, type ActionKindName, kindOf, MAX_TARGET_COUNT } from './action-kinds.ts'
import { audit, type Operator } from './audit.ts'

const MAX_GROUP_COUNT = 50

export interface NewAction {
  kind: ActionKindName
  filter: ActionFilter
  /** the number of matches that the operator has seen */
  expected_count?: number | undefined
}

/** Objects that match and have the same properties. */
export interface MatchGroup {
  queue: string | null
  event_type: string | null
  error: string | null
  state: string | null
  count: number
}

/** Counts what an action would have, the largest groups first. */
export async function previewAction(
  sql: Sql,
  { kind, filter }: Pick<NewAction, 'kind' | 'filter'>,
): Promise<{ count: number; by: MatchGroup[] }> {
  const { columns, from, order, values } = kindOf(kind).match(filter)
  const rows = await sql.query<MatchGroup & { total: number }>(
    `select queue, event_type, error, state, count(*)::integer as count, (sum(count(*)) over ())::integer as total
    from (select ${columns} from ${from} order by ${order} limit ${MAX_TARGET_COUNT}) as matching
    group by queue, event_type, error, state
    order by count(*) desc, queue, event_type, error, state
    limit ${MAX_GROUP_COUNT}`,
    values,
  )
  return { count: rows[0]?.total ?? 0, by: rows.map(({ total: _, ...group }) => group) }
}

/**
 * Creates an action on everything that matches now, which any API process works through. What
 * matches later is no part of it, so that it ends.
 * @returns the id of the action
 * @throws UnexpectedCount when another number matches than the operator has seen
 */
export async function startAction(
  tx: Tx,
  { kind, filter, expected_count }: NewAction,
  operator: Operator,
): Promise<string> {
  const { columns, from, order, values } = kindOf(kind).match(filter)
  const actionId = newId()
  await tx.execute(createSql, [actionId, kind, filter, operator.actor, operator.reason])
  const matched = await tx.execute(
    `insert into ops_action_targets (action_id, number, target_id)
    select $${values.length + 1}::uuid, row_number() over (order by ${order}), target_id
    from (
      select *
      from (select ${columns}, ${order} from ${from}) as matching
      order by ${order}
      limit ${MAX_TARGET_COUNT}
    ) as targets`,
    [...values, actionId],
  )
  if (expected_count !== undefined && matched !== expected_count)
    throw new UnexpectedCount(expected_count, matched)
  await tx.execute(matchedSql, [actionId, matched])
  await audit(tx, operator, 'start action', { action_id: actionId, kind, filter, matched })
  return actionId
}

/**
 * Ends an action after the transaction that is in progress. One that has ended stays as it is.
 * @throws NotFound
 */
export async function cancelAction(tx: Tx, actionId: string, operator: Operator): Promise<void> {
  const [action] = await tx.query<{ status: string }>(lockSql, [actionId])
  if (!action) throw new NotFound('action', actionId)
  if (action.status !== 'RUNNING') return
  await tx.execute(cancelSql, [actionId])
  await tx.execute(forgetSql, [actionId])
  await audit(tx, operator, 'cancel action', { action_id: actionId })
}

const createSql = `
  insert into ops_actions (action_id, kind, filter, actor, reason)
  values ($1, $2, $3, $4, $5)
`

const matchedSql = `
  update ops_actions
  set matched_count = $2,
    status = case when $2 = 0 then 'DONE' else 'RUNNING' end,
    ended_at = case when $2 = 0 then clock_timestamp() end,
    result = case when $2 = 0 then 'Nothing matched' end
  where action_id = $1
`

const lockSql = `
  select status
  from ops_actions
  where action_id = $1
  for update
`

const cancelSql = `
  update ops_actions
  set status = 'CANCELLED', ended_at = clock_timestamp(),
    result = format('Cancelled when %s of %s were handled', done_count + failed_count + skipped_count, matched_count)
  where action_id = $1
`

/** Deletes what is left of the objects of an action that has ended. */
export const forgetSql = `
  delete from ops_action_targets
  where action_id = $1
`
