import type { Sql } from '../db/transaction.ts'

interface QueueRow {
  queue: string
  paused_at: Date | null
  held_at: Date | null
  ready: number
  deferred: number
  retrying: number
  active: number
  failed: number
  /** null: not measured */
  done_last_minute: number | null
  oldest_ready_seconds: string | null
  wait_p95_seconds: string | null
  run_p95_seconds: string | null
  dead_letters: number
}

type Counts = Record<string, number | null>

export type Figures = Awaited<ReturnType<typeof readFigures>>

/** Reads the figures that the views of `ops` report, each view once. */
export async function readFigures(sql: Sql) {
  const [queues, [outbox], stuck, [stock], processes, [letters], projections, [hooks]] = await Promise.all([
    sql.query<QueueRow>('select * from ops.queues'),
    sql.query<Counts>('select pending, oldest_pending_seconds as lag, quarantined from ops.outbox'),
    sql.query<{ reason: string; orders: number }>(
      'select reason, count(*)::integer as orders from ops.stuck_orders group by reason',
    ),
    sql.query<Counts>(stockSql),
    sql.query<{ role: string; state: string; count: number }>(
      'select role, state, count(*)::integer as count from ops.workers group by role, state',
    ),
    sql.query<Counts>(lettersSql),
    sql.query<{ projection: string; behind_seconds: string; failed: number }>(
      'select projection, behind_seconds, failed from ops.projections',
    ),
    sql.query<Counts>(hooksSql),
  ])
  return { queues, outbox, stuck, stock, processes, letters, projections, hooks }
}

const stockSql = `
  select (count(*) filter (where on_hand <> ledger_qty))::integer as differing, (count(*) filter (where low))::integer as low
  from ops.stock
`

const lettersSql = `
  select extract(epoch from now() - min(died_at)) as oldest
  from ops.dead_letters
  where fate = 'OPEN'
`

const hooksSql = `
  select (count(*) filter (where status = 'ACTIVE'))::integer as active,
    (count(*) filter (where disabled_reason = 'BY_OWNER'))::integer as "BY_OWNER",
    (count(*) filter (where disabled_reason = 'FAILING'))::integer as "FAILING",
    (count(*) filter (where disabled_reason = 'GONE'))::integer as "GONE",
    (count(*) filter (where disabled_reason <> 'BY_OWNER' and disabled_at > now() - interval '1 day'))::integer as disabled,
    max(extract(epoch from now() - failing_since)::float8) filter (where status = 'ACTIVE') as failing,
    coalesce(sum(pending), 0)::integer as pending,
    max(oldest_pending_seconds::float8) filter (where status = 'ACTIVE' and paused_at is null) as oldest
  from ops.webhooks
`
