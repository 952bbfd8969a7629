import type { Tx } from '../db/transaction.ts'
import { counted } from '../platform/counted.ts'
import { MAX_DEAD_LETTERS } from './views/queue-views.ts'

/**
 * Status reports a failing or late webhook after this time, which leaves room for a few retries.
 */
const LATE_MINUTES = 10
/** Status reports sessions that wait for a lock for longer. A busy row is free again earlier. */
const BLOCKED_SECONDS = 2

type Row = Record<string, unknown>

/** The conditions that need an operator. */
export const problemCodes = [
  'stuck-orders',
  'dead-letters',
  'quarantined-events',
  'stock-differs',
  'paused-queues',
  'full-queues',
  'no-dispatcher',
  'no-worker',
  'missing-processes',
  'failing-webhooks',
  'disabled-webhooks',
  'late-webhooks',
  'paused-webhooks',
  'failed-statistics',
  'blocked-sessions',
  'not-ready',
  'full-streams',
] as const

/** A condition that needs an operator. */
export interface Problem {
  problem: (typeof problemCodes)[number]
  text: string
  /** shell command or SQL that lists the affected objects; null: the status shows them */
  see: string | null
  /** anchor of the entry in the runbook of docs/operations.md */
  runbook: string
}

/** The views of `ops` that give an overview, of one snapshot. */
export interface Status {
  as_of: Date
  /** empty when no condition needs an operator */
  problems: Problem[]
  outbox: Row
  queues: Row[]
  /** processes that are not STOPPED */
  workers: Row[]
  /** by reason and queue */
  stuck_orders: Row[]
  /** open dead letters, counted up to {@link MAX_DEAD_LETTERS}, and when the oldest died */
  dead_letters: Row
  webhooks: Row
  statistics: Row
  /** violations of the guarantees that are checked at each read */
  guarantees: Row
}

/** Reads all views in the given transaction, which has to see one snapshot. */
export async function readStatus(tx: Tx): Promise<Status> {
  const one = async (sql: string) => (await tx.query<Row>(sql))[0] ?? {}
  const [clock, queues, outbox, workers, stuck, letters, webhooks, statistics, guarantees, gone, locks] =
    await Promise.all([
      tx.query<{ as_of: Date }>('select now() as as_of'),
      tx.query<Row>('select * from ops.queues'),
      one('select * from ops.outbox'),
      tx.query<Row>(`select * from ops.workers where state <> 'STOPPED' order by role, host, pid`),
      tx.query<Row>(stuckSql),
      one(lettersSql),
      one(webhooksSql),
      one(`select * from ops.projections where projection = 'stats'`),
      one(guaranteesSql),
      one(goneSql),
      one(blockedSql),
    ])
  const lost = stuck.find(({ reason }) => reason === 'LOST')
  const status = {
    as_of: clock[0]?.as_of ?? new Date(0),
    outbox,
    queues,
    workers,
    stuck_orders: stuck,
    dead_letters: letters,
    webhooks,
    statistics,
    guarantees: { ...guarantees, lost_orders: Number(lost?.['orders'] ?? 0) },
  }
  return { ...status, problems: findProblems(status, Number(gone['missing']), Number(locks['blocked'])) }
}

function findProblems(status: Omit<Status, 'problems'>, missing: number, blocked: number): Problem[] {
  const { outbox, queues, workers, stuck_orders, dead_letters, webhooks, guarantees } = status
  const live = (role: string) => workers.some(row => row['role'] === role && row['state'] === 'LIVE')
  const orders = sum(stuck_orders, 'orders')
  const letters = Number(dead_letters['open'])
  const quarantined = Number(outbox['quarantined'])
  const differing = Number(guarantees['stock_differing'])
  const failed = Number(guarantees['failed_statistics'])
  const paused = queues.filter(row => row['paused_at'] !== null).map(row => row['queue'])
  const full = queues.filter(row => row['held_at'] !== null).map(row => row['queue'])
  const problems: (Problem | false)[] = [
    orders > 0 && {
      problem: 'stuck-orders',
      text: `${counted(orders, 'order is', 'orders are')} stuck`,
      see: 'select * from ops.stuck_orders',
      runbook: 'orders-stay-placed',
    },
    letters > 0 && {
      problem: 'dead-letters',
      text: `${counted(letters, 'dead letter is', `${letters < MAX_DEAD_LETTERS ? '' : 'or more '}dead letters are`)} open`,
      see: 'npm run ops -- dead-letters',
      runbook: 'a-dead-letter-appeared',
    },
    quarantined > 0 && {
      problem: 'quarantined-events',
      text: `${counted(quarantined, 'event is', 'events are')} quarantined`,
      see: 'npm run ops -- quarantine list',
      runbook: 'events-are-quarantined',
    },
    differing > 0 && {
      problem: 'stock-differs',
      text: `${counted(differing, 'item differs from its', 'items differ from their')} ledger`,
      see: 'select * from ops.check_stock_is_its_ledger',
      runbook: 'stock-looks-wrong',
    },
    paused.length > 0 && {
      problem: 'paused-queues',
      text: `paused queues: ${paused.join(', ')}`,
      see: null,
      runbook: 'a-queue-is-paused',
    },
    full.length > 0 && {
      problem: 'full-queues',
      text: `full queues, whose events wait in the outbox: ${full.join(', ')}`,
      see: null,
      runbook: 'events-are-held',
    },
    !live('dispatcher') && {
      problem: 'no-dispatcher',
      text: 'no dispatcher is running',
      see: null,
      runbook: 'the-outbox-grows',
    },
    !live('worker') && {
      problem: 'no-worker',
      text: 'no worker is running',
      see: null,
      runbook: 'orders-stay-placed',
    },
    missing > 0 && {
      problem: 'missing-processes',
      text: `${counted(missing, 'process', 'processes')} sent no heartbeat for too long and ${missing === 1 ? 'was' : 'were'} not replaced`,
      see: null,
      runbook: 'orders-stay-placed',
    },
    ...webhookProblems(webhooks),
    failed > 0 && {
      problem: 'failed-statistics',
      text: `the statistics of ${counted(failed, 'restaurant')} are set aside`,
      see: 'select * from ops.failed_statistics',
      runbook: 'statistics-are-behind-or-wrong',
    },
    blocked > 0 && {
      problem: 'blocked-sessions',
      text: `${counted(blocked, 'session waits', 'sessions wait')} for a lock for more than ${BLOCKED_SECONDS} s`,
      see: null,
      runbook: 'the-api-is-slow-or-answers-with-errors',
    },
  ]
  return problems.filter(problem => problem !== false)
}

function webhookProblems(counts: Row): (Problem | false)[] {
  const [failing, disabled, late, paused] = ['failing', 'disabled', 'late', 'paused'].map(name =>
    Number(counts[name]),
  ) as [number, number, number, number]
  const of = (problem: Problem['problem'], text: string): Problem => ({
    problem,
    text,
    see: 'select * from ops.webhooks',
    runbook: 'a-webhook-fails-or-is-disabled',
  })
  const webhooks = (count: number, one: string, many: string) =>
    counted(count, `webhook ${one}`, `webhooks ${many}`)
  return [
    failing > 0 &&
      of(
        'failing-webhooks',
        `${webhooks(failing, 'has', 'have')} been failing for more than ${LATE_MINUTES} minutes`,
      ),
    disabled > 0 &&
      of('disabled-webhooks', `${webhooks(disabled, 'was', 'were')} disabled in the last day after failures`),
    late > 0 &&
      of('late-webhooks', `${webhooks(late, 'is', 'are')} more than ${LATE_MINUTES} minutes behind`),
    paused > 0 && of('paused-webhooks', `${webhooks(paused, 'is', 'are')} paused`),
  ]
}

function sum(rows: readonly Row[], name: string): number {
  return rows.reduce((total, row) => total + Number(row[name]), 0)
}

const stuckSql = `
  select reason, coalesce(queue, '') as queue, count(*)::integer as orders, max(stuck_seconds) as longest_seconds,
    min(error) as an_error
  from ops.stuck_orders
  group by reason, queue
  order by reason, queue
`

const lettersSql = `
  select (
      select count(*)::integer
      from (
        select
        from ops.dead_letters
        where fate = 'OPEN'
        limit ${MAX_DEAD_LETTERS}
      ) as bounded
    ) as open, (
      select min(died_at)
      from ops.dead_letters
      where fate = 'OPEN'
    ) as oldest_at
`

const guaranteesSql = `
  select (
      select count(*)::integer
      from ops.stock
      where on_hand <> ledger_qty
    ) as stock_differing, (
      select count(*)::integer
      from ops.failed_statistics
    ) as failed_statistics
`

/**
 * Counts missing processes. A process that starts replaces one silent process of its role.
 * Therefore the nth latest silent process means that n processes stopped since its last heartbeat;
 * if fewer than n have started since then, the difference is missing. The maximum over all n
 * counts.
 */
const goneSql = `
  select coalesce(sum(missing), 0)::integer as missing
  from (
    select max(nth - started_since) as missing
    from (
      select s.role, row_number() over (partition by s.role order by s.heartbeat_at desc) as nth,
        (select count(*) from ops.workers as p where p.role = s.role and p.started_at > s.heartbeat_at) as started_since
      from ops.workers as s
      where s.state = 'SILENT'
    ) as silent
    group by role
  ) as by_role
  where missing > 0
`

/** A lock of a row is waited for as the lock of a transaction, which belongs to no database. */
const blockedSql = `
  select count(distinct waiting.pid)::integer as blocked
  from pg_locks as waiting
  join pg_stat_activity as session on session.pid = waiting.pid
  where not waiting.granted
    and waiting.waitstart < now() - interval '${BLOCKED_SECONDS} seconds'
    and session.datname = current_database()
`

const webhooksSql = `
  select (count(*) filter (where status = 'ACTIVE'))::integer as active,
    (count(*) filter (where status = 'ACTIVE' and failing_since < now() - interval '${LATE_MINUTES} minutes'))::integer as failing,
    (count(*) filter (where disabled_reason <> 'BY_OWNER' and disabled_at > now() - interval '1 day'))::integer as disabled,
    (count(*) filter (
      where status = 'ACTIVE'
        and failing_since is null
        and paused_at is null
        and oldest_pending_seconds > ${LATE_MINUTES} * 60
    ))::integer as late,
    (count(*) filter (where status = 'ACTIVE' and paused_at is not null))::integer as paused,
    coalesce(sum(pending), 0)::integer as pending,
    max(oldest_pending_seconds) as oldest_pending_seconds
  from ops.webhooks
`
