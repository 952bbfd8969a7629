import type { PgBoss } from 'pg-boss'
import type { Database } from '../../db/database.ts'
import { isRetryable, isUnavailable } from '../../db/sql-errors.ts'
import type { Tx } from '../../db/transaction.ts'
import { counted } from '../../platform/counted.ts'
import { DatabaseUnavailable } from '../../platform/errors.ts'
import {
  type ActionFilter,
  type ActionKindName,
  actionKindNames,
  kindOf,
  type Worked,
} from './action-kinds.ts'
import { forgetSql } from './actions.ts'
import type { Operator } from './audit.ts'
import type { Operations } from './operations.ts'

/** Failures of its transactions in a row after which an action is given up: about six minutes. */
const MAX_ATTEMPT_COUNT = 12
const MAX_DELAY_SECONDS = 60
/** Reasons of failures that an action counts one by one. */
const MAX_REASON_COUNT = 20

interface ClaimedAction extends Operator {
  action_id: string
  kind: ActionKindName
  filter: ActionFilter
  matched: number
  done: number
  failed: number
  skipped: number
  /** number of failures by reason */
  failures: Record<string, number>
  /** objects of its next transaction at most */
  chunk: number
  /** transactions that failed since the last one that did not */
  attempts: number
}

/**
 * Works on the action that has waited longest: changes its next objects, writes the audit and
 * counts them, in one transaction. A process that dies undoes only the transaction in progress, and
 * any process makes it again: each object is handled once. An action whose transaction fails waits,
 * so that others go first, and has half as many objects in its next transaction.
 * @returns false when no action is due, except those that other processes work on
 * @throws the error of the transaction
 */
export async function workAction({
  database,
  boss,
}: Pick<Operations, 'database' | 'boss'>): Promise<boolean> {
  let action: ClaimedAction | undefined
  try {
    return await database.transaction(async tx => {
      ;[action] = await tx.query<ClaimedAction>(claimSql, [actionKindNames])
      if (!action) return false
      await workChunk(tx, boss, action)
      return true
    })
  } catch (error) {
    if (action) await postpone(database, action, error)
    throw error
  }
}

/** Changes the next objects of an action, and counts them. */
async function workChunk(tx: Tx, boss: PgBoss, action: ClaimedAction): Promise<void> {
  const { kind, filter, actor, reason, action_id, chunk } = action
  const handled = action.done + action.failed + action.skipped
  const targets = await tx.query<{ target_id: string }>(targetsSql, [action_id, handled, chunk])
  const ids = targets.map(({ target_id }) => target_id)
  const work = (some: readonly string[]) =>
    tx.savepoint(() => kindOf(kind).work({ tx, boss, operator: { actor, reason, action_id } }, some, filter))
  const worked = await workTogetherOrAlone(work, ids)
  if ('stopped' in worked) await stop(tx, action, worked.stopped)
  else await count(tx, action, worked, ids.length)
}

/** Records why the transaction failed, unless another process has tried since. */
async function postpone(database: Database, action: ClaimedAction, error: unknown): Promise<void> {
  const { action_id, attempts } = action
  const cause = error instanceof DatabaseUnavailable ? error.cause : error
  const message = cause instanceof Error ? cause.message : String(cause)
  await database.transaction(async tx => {
    const isRecorded = await tx.execute(postponeSql, [action_id, attempts, message])
    if (isRecorded > 0 && attempts + 1 >= MAX_ATTEMPT_COUNT) await stop(tx, action, message)
  })
}

async function stop(tx: Tx, action: ClaimedAction, cause: string): Promise<void> {
  const handled = action.done + action.failed + action.skipped
  await end(tx, action, 'FAILED', `Stopped after ${counted(handled, 'object')}: ${cause}`)
}

/**
 * Changes objects together, or each alone when one of them fails.
 * @returns `stopped` when none of them can be changed: the cause is not in the objects
 */
async function workTogetherOrAlone(
  work: (ids: readonly string[]) => Promise<Worked>,
  ids: readonly string[],
): Promise<Worked | { stopped: string }> {
  try {
    return await work(ids)
  } catch (error) {
    if (isRetryable(error) || isUnavailable(error)) throw error
  }
  const all: Worked = { done: 0, failed: [] }
  const thrown: string[] = []
  for (const id of ids) {
    try {
      const { done, failed } = await work([id])
      all.done += done
      all.failed.push(...failed)
    } catch (error) {
      if (isRetryable(error) || isUnavailable(error)) throw error
      thrown.push(error instanceof Error ? error.message : String(error))
    }
  }
  if (thrown.length === ids.length) return { stopped: thrown[0] ?? '' }
  return { ...all, failed: [...all.failed, ...thrown] }
}

async function count(
  tx: Tx,
  action: ClaimedAction,
  { done, failed }: Worked,
  handled: number,
): Promise<void> {
  const skipped = handled - done - failed.length
  const after = {
    ...action,
    done: action.done + done,
    failed: action.failed + failed.length,
    skipped: action.skipped + skipped,
    failures: addReasons(action.failures, failed),
  }
  await tx.execute(countSql, [action.action_id, done, failed.length, skipped, after.failures])
  if (after.done + after.failed + after.skipped >= action.matched)
    await end(tx, action, 'DONE', resultOf(after))
}

function addReasons(failures: Record<string, number>, reasons: readonly string[]): Record<string, number> {
  const counts = { ...failures }
  for (const reason of reasons) {
    const name = reason in counts || Object.keys(counts).length < MAX_REASON_COUNT ? reason : 'other reasons'
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

function resultOf({ kind, matched, done, failed, skipped, failures }: ClaimedAction): string {
  const { noun, done: verb } = kindOf(kind)
  const nouns = noun === 'delivery' ? 'deliveries' : `${noun}s`
  const reasons = Object.entries(failures).map(([reason, count]) => `${count}: ${reason}`)
  return [
    `${done} of ${counted(matched, noun, nouns)} ${verb}`,
    ...(skipped > 0 ? [`${skipped} had been changed by others before`] : []),
    ...(failed > 0 ? [`${failed} refused (${reasons.join('; ')})`] : []),
  ].join(', ')
}

async function end(
  tx: Tx,
  { action_id }: ClaimedAction,
  status: 'DONE' | 'FAILED',
  result: string,
): Promise<void> {
  await tx.execute(endSql, [action_id, status, result])
  await tx.execute(forgetSql, [action_id])
}

const claimSql = `
  select action_id, kind, filter, actor, reason, matched_count as matched, done_count as done,
    failed_count as failed, skipped_count as skipped, failures, chunk_count as chunk, failed_attempts as attempts
  from ops_actions
  where status = 'RUNNING'
    and kind = any($1::text[])
    and due_at <= clock_timestamp()
  order by due_at, action_id
  limit 1
  for update skip locked
`

const targetsSql = `
  select target_id
  from ops_action_targets
  where action_id = $1
    and number > $2
  order by number
  limit $3
`

const countSql = `
  update ops_actions
  set done_count = done_count + $2, failed_count = failed_count + $3, skipped_count = skipped_count + $4,
    failures = $5, worked_at = clock_timestamp(), due_at = clock_timestamp(), failed_attempts = 0, error = null
  where action_id = $1
`

const postponeSql = `
  update ops_actions
  set failed_attempts = failed_attempts + 1, chunk_count = greatest(1, chunk_count / 2), error = $3,
    due_at = clock_timestamp() + least(2 ^ $2::integer, ${MAX_DELAY_SECONDS}) * interval '1 s'
  where action_id = $1
    and status = 'RUNNING'
    and failed_attempts = $2
`

const endSql = `
  update ops_actions
  set status = $2, result = $3, ended_at = clock_timestamp()
  where action_id = $1
`
