import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'

/** Every step of every order, and the sum of the stock ledger. */
export interface Committed {
  /** order and number of the step, e.g. `0199…/2` */
  steps: Set<string>
  movements: number
  /** Idempotency-Keys that are remembered */
  keys: Set<string>
}

/** No commit may be this close to the chosen time. */
const MARGIN_MS = 1

/**
 * Chooses a time of the server at which no order was being committed, because the WAL has commits
 * in a slightly different order than their times.
 * @returns a timestamp for `recovery_target_time`
 */
export async function chooseTime(client: pg.Client): Promise<string> {
  for (;;) {
    const { rows } = await client.query<{ now: string }>('select clock_timestamp()::text as now')
    const now = rows[0]?.now ?? ''
    await delay(10 * MARGIN_MS)
    const near = await client.query(
      `select from order_transitions
      where abs(extract(epoch from pg_xact_commit_timestamp(xmin) - $1::timestamptz)) * 1000 < $2`,
      [now, MARGIN_MS],
    )
    if (near.rows.length === 0) return now
  }
}

/** Returns what was committed until a time; by default, everything. */
export async function committedUntil(client: pg.Client, time = 'infinity'): Promise<Committed> {
  const isCommitted = 'pg_xact_commit_timestamp(xmin) <= $1::timestamptz'
  const steps = await client.query<{ step: string }>(
    `select order_id || '/' || seq as step from order_transitions where ${isCommitted}`,
    [time],
  )
  const movements = await client.query<{ count: number }>(
    `select count(*)::integer as count from stock_movements where ${isCommitted}`,
    [time],
  )
  const keys = await client.query<{ key: string }>(`select key from idempotency_keys where ${isCommitted}`, [
    time,
  ])
  return {
    steps: new Set(steps.rows.map(({ step }) => step)),
    movements: movements.rows[0]?.count ?? 0,
    keys: new Set(keys.rows.map(({ key }) => key)),
  }
}
