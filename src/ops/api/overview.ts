import { z } from 'zod'
import { timestamp } from '../../http/schema-fields.ts'
import { type Caller, requireScope } from '../../platform/caller.ts'
import { ExpectedError } from '../../platform/errors.ts'
import type { Operations } from '../actions/operations.ts'
import { readSnapshot } from '../read-snapshot.ts'
import { problemCodes, readStatus, type Status } from '../read-status.ts'
import { viewNamed } from '../refresh-views.ts'
import { MAX_DEAD_LETTERS } from '../views/queue-views.ts'
import { requireOperations } from './ops-change.ts'
import { type OpsRoutesOptions, opsRoute, STATEMENT_TIMEOUT_MS } from './ops-route.ts'
import { ownProblems } from './own-problems.ts'
import { integer, number, orNull, rowsOf, text, time } from './view-rows.ts'

const AT = '2026-11-22T18:30:00.000Z'

const queue = rowsOf('OpsQueue', viewNamed('queues'), {
  queue: text('inventory.deduct'),
  paused_at: orNull(time(AT)),
  held_at: orNull(time(AT)),
  ready: integer(3),
  deferred: integer(0),
  retrying: integer(1),
  active: integer(2),
  failed: integer(0),
  done_last_minute: orNull(integer(120)),
  oldest_ready_seconds: orNull(number(0.4)),
  wait_p50_seconds: orNull(number(0.004)),
  wait_p95_seconds: orNull(number(0.012)),
  wait_p99_seconds: orNull(number(0.031)),
  run_p50_seconds: orNull(number(0.002)),
  run_p95_seconds: orNull(number(0.006)),
  run_p99_seconds: orNull(number(0.011)),
  dead_letters: integer(0),
})

const process = rowsOf('OpsProcess', viewNamed('workers'), {
  role: text('worker'),
  host: text('kitchen-1'),
  pid: integer(4711),
  version: text('0.1.0'),
  state: text('LIVE'),
  started_at: time(AT),
  heartbeat_at: time(AT),
  heartbeat_age_seconds: number(2.5),
  working_on: orNull(text('inventory.deduct (2)')),
})

const outbox = rowsOf('OpsOutbox', viewNamed('outbox'), {
  pending: integer(2),
  oldest_pending_at: orNull(time(AT)),
  oldest_pending_seconds: orNull(number(0.2)),
  written_last_minute: integer(360),
  dispatched_last_minute: integer(360),
  quarantined: integer(0),
})

const stuckOrders = rowsOf(
  'OpsStuckOrders',
  { comment: 'Stuck orders with the same reason and queue, from ops.stuck_orders', columns: {} },
  {
    reason: text('RETRYING'),
    queue: text('inventory.deduct'),
    orders: integer(1),
    longest_seconds: number(75.3),
    an_error: orNull(text('canceling statement due to lock timeout')),
  },
  {
    reason: viewNamed('stuck_orders').columns['reason'] ?? '',
    queue: 'queue of the jobs; empty: the orders have no job',
    orders: 'number of orders; each reason lists at most 100 per queue',
    longest_seconds: 'how long the oldest of the orders has been stuck',
    an_error: 'error of one of the orders',
  },
)

const statistics = rowsOf('OpsStatistics', viewNamed('projections'), {
  as_of: time(AT),
  behind_seconds: number(1.2),
  pending: integer(6),
  failed: integer(0),
})

const deadLetters = rowsOf(
  'OpsDeadLetters',
  { comment: 'The open dead letters of all queues', columns: {} },
  { open: integer(0), oldest_at: orNull(time(AT)) },
  {
    open: `number of dead letters to be decided; ${MAX_DEAD_LETTERS} means as many or more`,
    oldest_at: 'when the oldest of them died',
  },
)

const webhooks = rowsOf(
  'OpsWebhooks',
  { comment: 'The webhooks in one row, from ops.webhooks', columns: {} },
  {
    active: integer(3),
    failing: integer(0),
    disabled: integer(0),
    late: integer(0),
    paused: integer(0),
    pending: integer(4),
    oldest_pending_seconds: orNull(number(0.8)),
  },
  {
    active: 'webhooks that are ACTIVE',
    failing: 'ACTIVE webhooks whose attempts have failed for more than 10 minutes',
    disabled: 'webhooks that were disabled after failures in the last day',
    late: 'ACTIVE webhooks that do not fail, are not paused, and are more than 10 minutes behind',
    paused: 'ACTIVE webhooks that operators have paused',
    pending: 'deliveries that are not finished',
    oldest_pending_seconds: 'age of the oldest of these deliveries',
  },
)

const guarantees = rowsOf(
  'OpsGuarantees',
  {
    comment:
      'Violations of the guarantees that are checked at each read. `npm run verify` checks all of them against whole tables',
    columns: {},
  },
  { stock_differing: integer(0), lost_orders: integer(0), failed_statistics: integer(0) },
  {
    stock_differing: 'items whose stock differs from the sum of their ledger',
    lost_orders: 'PLACED orders without pending work, among the latest orders',
    failed_statistics: 'restaurants whose statistics are set aside',
  },
)

const problem = z
  .object({
    problem: z
      .enum(problemCodes)
      .meta({ id: 'OpsProblemCode', description: 'Kind of the problem', example: 'dead-letters' }),
    text: z.string().meta({ description: 'What is wrong, with numbers', example: '3 dead letters are open' }),
    see: z.string().nullable().meta({
      description: 'Shell command or SQL that lists the affected objects; null: this response has them',
      example: 'npm run ops -- dead-letters',
    }),
    runbook: z.string().meta({
      description: 'Anchor of the entry in the runbook of docs/operations.md',
      example: 'a-dead-letter-appeared',
    }),
  })
  .meta({ id: 'OpsProblem', description: 'A condition that needs an operator' })

const overviewReply = z
  .object({
    as_of: timestamp('Time of the database at which all figures were read, in one snapshot'),
    problems: z.array(problem).meta({ description: 'Conditions that need an operator; empty: none' }),
    guarantees: guarantees.schema,
    outbox: outbox.schema,
    queues: z.array(queue.schema).meta({ description: 'One entry per queue, by name' }),
    processes: z.array(process.schema).meta({ description: 'Every role of a process that is not STOPPED' }),
    stuck_orders: z.array(stuckOrders.schema).meta({ description: 'Stuck orders by reason and queue' }),
    dead_letters: deadLetters.schema,
    webhooks: webhooks.schema,
    statistics: statistics.schema,
    can_change: z.boolean().meta({
      description: 'Whether the caller can make changes through this API',
      example: true,
    }),
    cannot_change_because: z.string().nullable().meta({
      description: 'Why not; null: the caller can',
      example: null,
    }),
  })
  .meta({ id: 'OpsOverview', description: 'The state of the system' })

export type OverviewReply = z.infer<typeof overviewReply>

export function overviewRoute({ database, operations, ownState }: OpsRoutesOptions) {
  return opsRoute({
    path: '/api/v1/ops/overview',
    operationId: 'getOpsOverview',
    summary: 'Get the state of the system',
    description:
      'Returns what `npm run ops -- status` shows, from the same views, all of one snapshot, and the problems of the API process that answers: failed checks of its `/readyz`, and full event streams. Every figure is bounded; the descriptions name the bounds.',
    statusDescription: 'The state of the system',
    replySchema: overviewReply,
    replyExample: {
      as_of: AT,
      problems: [],
      guarantees: guarantees.example,
      outbox: outbox.example,
      queues: [queue.example],
      processes: [process.example],
      stuck_orders: [],
      dead_letters: { ...deadLetters.example, oldest_at: null },
      webhooks: webhooks.example,
      statistics: statistics.example,
      can_change: true,
      cannot_change_because: null,
    } satisfies OverviewReply,
    errors: [],
    handle: async ({ caller }) => {
      const obstacle = obstacleOf(caller, operations)
      const [status, own] = await Promise.all([
        readSnapshot(database, readStatus, STATEMENT_TIMEOUT_MS),
        ownState?.(),
      ])
      const problems = [...status.problems, ...(own ? ownProblems(own) : [])]
      return {
        body: {
          ...presentOverview({ ...status, problems }),
          can_change: obstacle === null,
          cannot_change_because: obstacle,
        },
      }
    },
  })
}

/** Returns why the caller cannot make changes, or null. */
function obstacleOf(caller: Caller, operations: Operations | undefined): string | null {
  try {
    requireScope(caller, 'ops:write')
    requireOperations(operations)
    return null
  } catch (error) {
    if (error instanceof ExpectedError) return error.message
    throw error
  }
}

function presentOverview(status: Status): Omit<OverviewReply, 'can_change' | 'cannot_change_because'> {
  return {
    as_of: status.as_of.toISOString(),
    problems: status.problems,
    guarantees: guarantees.present(status.guarantees),
    outbox: outbox.present(status.outbox),
    queues: status.queues.map(queue.present),
    processes: status.workers.map(process.present),
    stuck_orders: status.stuck_orders.map(stuckOrders.present),
    dead_letters: deadLetters.present(status.dead_letters),
    webhooks: webhooks.present(status.webhooks),
    statistics: statistics.present(status.statistics),
  }
}
