import { httpGuards } from './http-guards.ts'

/** What keeps a promise, and how it is taken away. */
export interface Guard {
  name: string
  about: string
  file: string
  /** text that the file holds, and what stands there without the guard */
  edits: [guarded: string, unguarded: string][]
  /** files and folders whose tests miss it */
  tests: readonly string[]
}

/** Where the guards of the slow path are missed; the tests of the command line and of HTTP would find nothing here. */
const slowPathTests = [
  'test/orders',
  'test/outbox',
  'test/jobs',
  'test/db',
  'test/model',
  'test/ops/invariants.test.ts',
]

const slowPathGuards: Omit<Guard, 'tests'>[] = [
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
  },
  {
    name: 'order-lock',
    about: 'the lock of the order',
    file: 'src/orders/lock-orders.ts',
    edits: [
      ['where order_id = $1\n  for no key update', 'where order_id = $1'],
      ['order by order_id\n  for no key update', 'order by order_id'],
    ],
  },
  {
    name: 'sorted-item-lock',
    about: 'the order in which items are locked',
    file: 'src/inventory/lock-stock.ts',
    edits: [['order by menu_item_id', 'order by md5(menu_item_id::text || pg_backend_pid())']],
  },
  {
    name: 'unique-effects',
    about: 'the unique index of stock movements an order, item and kind',
    file: 'migrations/1795305600000-create-orders-stock-and-outbox.ts',
    edits: [
      [
        'create unique index an_order_moves_an_item_once_a_kind',
        'create index an_order_moves_an_item_once_a_kind',
      ],
    ],
  },
  {
    name: 'job-id',
    about: 'the event’s id as the id of its job',
    file: 'src/outbox/publish.ts',
    edits: [['({ id: event.event_id, data: event })', '({ data: event })']],
  },
  {
    name: 'status-guard',
    about: 'the status and version in the update of an order',
    file: 'src/orders/save-transitions.ts',
    edits: [
      ['      and orders.status = step.from_status\n', ''],
      ['      and orders.version = step.seq - 1\n', ''],
    ],
  },
  {
    name: 'menu-compared',
    about: 'the comparison of an order with the menu as it is',
    file: 'src/orders/insert-orders.ts',
    edits: [
      ['where order_id not in (select order_id from stale)\n      and ${condition}', 'where ${condition}'],
    ],
  },
  {
    name: 'fencing',
    about: 'the attempt that a completion is for',
    file: 'src/jobs/work-batch.ts',
    edits: [['boss.complete(queue, jobs, undefined', 'boss.complete(queue, idsOf(jobs), undefined']],
  },
  {
    name: 'claim-held',
    about: 'the rollback when a job belongs to another worker by now',
    file: 'src/jobs/work-batch.ts',
    edits: [['if (affected < jobs.length) throw new ClaimLost', 'if (affected < 0) throw new ClaimLost']],
  },
  {
    name: 'query-timeout',
    about: 'the timeout of a query that is never answered',
    file: 'src/db/database.ts',
    edits: [['    query_timeout: timeoutMs + 1_000,\n', '']],
  },
  {
    name: 'idle-in-transaction-timeout',
    about: 'the end of a session that holds locks and says nothing',
    file: 'src/db/database.ts',
    edits: [['    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,\n', '']],
  },
  {
    name: 'retry-of-deadlocks',
    about: 'the second attempt after a deadlock',
    file: 'src/db/database.ts',
    edits: [['!isRetryable(error) || attempt === MAX_ATTEMPT_COUNT', 'attempt > 0']],
  },
]

export const guards: readonly Guard[] = [
  ...slowPathGuards.map(guard => ({ ...guard, tests: slowPathTests })),
  ...httpGuards,
]
