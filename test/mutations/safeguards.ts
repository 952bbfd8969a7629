import { httpSafeguards } from './http-safeguards.ts'

/** Code that upholds a guarantee, and how to remove it. */
export interface Safeguard {
  name: string
  /** the removed code, in a few words */
  about: string
  file: string
  /** text that the file contains exactly once, and its replacement */
  edits: [text: string, replacement: string][]
  /** test files, at least one of which must fail without the safeguard */
  tests: readonly string[]
}

const interleavings = ['test/orders/interleavings.test.ts']
const frozenWorker = ['test/jobs/frozen-worker.test.ts']
const deliveries = ['test/webhooks/claim-deliveries.test.ts']
const poison = ['test/jobs/poison.test.ts']
const chainedSteps = ['test/outbox/chain-steps.test.ts']
const backPressure = ['test/outbox/queue-backlog.test.ts']

/** Safeguards of the asynchronous pipeline and of the database. */
export const pipelineSafeguards: Safeguard[] = [
  {
    name: 'processed-events',
    about: 'the insert into processed_events',
    file: 'src/jobs/inbox.ts',
    edits: [
      [
        '): Promise<Set<string>> {',
        '): Promise<Set<string>> {\n  return new Set(events.map(event => event.event_id))',
      ],
    ],
    tests: interleavings,
  },
  {
    name: 'order-lock',
    about: 'the row lock on the order',
    file: 'src/orders/lock-orders.ts',
    edits: [
      ['where order_id = $1\n  for no key update', 'where order_id = $1'],
      ['order by order_id\n  for no key update', 'order by order_id'],
    ],
    tests: interleavings,
  },
  {
    name: 'sorted-item-lock',
    about: 'the order in which menu items are locked',
    file: 'src/inventory/lock-stock.ts',
    edits: [['order by menu_item_id', 'order by md5(menu_item_id::text || pg_backend_pid())']],
    tests: interleavings,
  },
  {
    name: 'unique-effects',
    about: 'the unique index on stock movements per order, item and kind',
    file: 'migrations/1795305600000-create-orders-stock-and-outbox.ts',
    edits: [
      [
        'create unique index an_order_moves_an_item_once_a_kind',
        'create index an_order_moves_an_item_once_a_kind',
      ],
    ],
    tests: interleavings,
  },
  {
    name: 'job-id',
    about: 'the event id as the job id',
    file: 'src/outbox/publish.ts',
    edits: [
      [
        '        id: event.event_id,\n        singleton',
        '        id: crypto.randomUUID() as string,\n        singleton',
      ],
    ],
    tests: ['test/outbox/dispatch-batch.test.ts'],
  },
  {
    name: 'singleton-key',
    about: 'the policy under which Postgres refuses a second unfinished job of an event',
    file: 'src/jobs/queues.ts',
    edits: [["const eventQueue = {\n  policy: 'exclusive'", "const eventQueue = {\n  policy: 'standard'"]],
    tests: ['test/jobs/queue-tables.test.ts'],
  },
  {
    name: 'keyless-jobs',
    about: 'the trigger that gives a job without a key the id of its event',
    file: 'src/jobs/boss.ts',
    edits: [['    await keyJobsByEvent(database, name)\n', '']],
    tests: ['test/jobs/queue-tables.test.ts'],
  },
  {
    name: 'refused-jobs',
    about: 'the comparison of inserted jobs with the given ones',
    file: 'src/jobs/insert-or-refuse.ts',
    edits: [['for (const id of inserted ?? [])', 'for (const { id } of jobs)']],
    tests: ['test/jobs/queue-tables.test.ts', 'test/ops/dead-letters.test.ts'],
  },
  {
    name: 'full-queue',
    about: 'the hold of the events whose queue is full',
    file: 'src/outbox/queue-backlog.ts',
    edits: [['this.#held = new Set(full.flatMap(typesRoutedTo))', 'this.#held = NONE']],
    tests: backPressure,
  },
  {
    name: 'held-order',
    about: 'the hold of later events of an order',
    file: 'src/outbox/pending-events.ts',
    edits: [['where earlier.event_id < event.event_id', 'where false']],
    tests: backPressure,
  },
  {
    name: 'published-to-full-queue',
    about: 'the hold of events that a worker publishes',
    file: 'src/outbox/publish.ts',
    edits: [['if (!types || types.size === 0) return', 'if (types) return']],
    tests: backPressure,
  },
  {
    name: 'chained-step-savepoint',
    about: 'the savepoint around the chained steps of a batch',
    file: 'src/outbox/chain-steps.ts',
    edits: [['await tx.savepoint(async () => {', 'await (work => work())(async () => {']],
    tests: chainedSteps,
  },
  {
    name: 'chained-step-has-no-job',
    about: 'the exclusion of chained steps from the inserted jobs',
    file: 'src/outbox/publish.ts',
    edits: [['events.filter(({ event_id }) => !done.has(event_id))', '[...events]']],
    tests: chainedSteps,
  },
  {
    name: 'chained-step-paused',
    about: 'the condition that the queue of a chained step is worked',
    file: 'src/outbox/chain-steps.ts',
    edits: [['chained && isWorked(queue)', 'chained']],
    tests: chainedSteps,
  },
  {
    name: 'chained-step-first-attempt',
    about: 'the condition that only first attempts have chained steps',
    file: 'src/outbox/consume-events.ts',
    edits: [['jobs.every(({ retryCount }) => retryCount === 0)', 'jobs.length > 0']],
    tests: chainedSteps,
  },
  {
    name: 'status-guard',
    about: 'the status and version condition in the update of an order',
    file: 'src/orders/save-transitions.ts',
    edits: [
      ['      and orders.status = step.from_status\n', ''],
      ['      and orders.version = step.seq - 1\n', ''],
    ],
    tests: interleavings,
  },
  {
    name: 'stale-menu',
    about: 'the comparison of an order with the current menu',
    file: 'src/orders/insert-orders.ts',
    edits: [
      ['where order_id not in (select order_id from stale)\n      and ${condition}', 'where ${condition}'],
    ],
    tests: ['test/orders/placement-queue.test.ts'],
  },
  {
    name: 'fencing',
    about: 'the attempt number in the completion of a job',
    file: 'src/jobs/work-batch.ts',
    edits: [['boss.complete(queue, jobs, undefined', 'boss.complete(queue, idsOf(jobs), undefined']],
    tests: poison,
  },
  {
    name: 'delivery-lease',
    about: 'the lease in the update that records the outcome of a delivery',
    file: 'src/webhooks/delivery/record-outcomes.ts',
    edits: [['      and d.lease_id = o.lease_id\n', '']],
    tests: deliveries,
  },
  {
    name: 'delivery-order',
    about: 'the search for an earlier delivery of the order',
    file: 'src/webhooks/delivery/claim-deliveries.ts',
    edits: [['and p.sequence < d.sequence', 'and p.sequence < 0']],
    tests: deliveries,
  },
  {
    name: 'parked-behind-lock',
    about: 'the lock on the delivery that a parked one waits for',
    file: 'src/webhooks/delivery/claim-deliveries.ts',
    edits: [['      for share skip locked\n', '']],
    tests: deliveries,
  },
  {
    name: 'job-ownership',
    about: 'the rollback when another worker owns the job by now',
    file: 'src/jobs/work-batch.ts',
    edits: [['if (affected < jobs.length) throw new ClaimLost', 'if (affected < 0) throw new ClaimLost']],
    tests: poison,
  },
  {
    name: 'query-timeout',
    about: 'the timeout of a query without a response',
    file: 'src/db/database.ts',
    edits: [['    query_timeout: options.timeoutMs + 1_000,\n', '']],
    tests: ['test/db/database-faults.test.ts'],
  },
  {
    name: 'idle-in-transaction-timeout',
    about: 'the timeout of a session that is idle in its transaction',
    file: 'src/db/session-settings.ts',
    edits: [['    idle_in_transaction_session_timeout: String(IDLE_IN_TRANSACTION_TIMEOUT_MS),\n', '']],
    tests: frozenWorker,
  },
  {
    name: 'retry-of-deadlocks',
    about: 'the retry after a deadlock',
    file: 'src/db/database.ts',
    edits: [['!isRetryable(error) || attempt === MAX_ATTEMPT_COUNT', 'attempt > 0']],
    tests: poison,
  },
  {
    name: 'action-progress',
    about: 'the position after which an action continues',
    file: 'src/ops/actions/work-action.ts',
    edits: [['    and number > $2\n', '    and number > $2 * 0\n']],
    tests: ['test/ops/actions.test.ts'],
  },
  {
    name: 'action-claim',
    about: 'the lock of an action that a process works on',
    file: 'src/ops/actions/work-action.ts',
    edits: [['  for update skip locked\n', '']],
    tests: ['test/ops/actions.test.ts'],
  },
]

export const safeguards: readonly Safeguard[] = [...pipelineSafeguards, ...httpSafeguards]
