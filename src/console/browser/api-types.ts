/**
 * What the console reads from the API. test/console/api-types.test.ts does not compile when a reply
 * of the API no longer has one of these properties.
 */

interface Problem {
  problem: string
  text: string
  see: string | null
  runbook: string
}

export interface Queue {
  queue: string
  paused_at: string | null
  ready: number
  deferred: number
  retrying: number
  active: number
  failed: number
  done_last_minute: number | null
  oldest_ready_seconds: number | null
  wait_p50_seconds: number | null
  wait_p95_seconds: number | null
  wait_p99_seconds: number | null
  run_p50_seconds: number | null
  run_p95_seconds: number | null
  run_p99_seconds: number | null
  dead_letters: number
}

interface Process {
  role: string
  host: string
  pid: number
  version: string
  state: string
  heartbeat_at: string
  working_on: string | null
}

export interface Overview {
  as_of: string
  problems: readonly Problem[]
  guarantees: { stock_differing: number; lost_orders: number; failed_statistics: number }
  outbox: {
    pending: number
    oldest_pending_seconds: number | null
    written_last_minute: number
    dispatched_last_minute: number
    quarantined: number
  }
  queues: readonly Queue[]
  processes: readonly Process[]
  stuck_orders: readonly {
    reason: string
    queue: string
    orders: number
    longest_seconds: number
    an_error: string | null
  }[]
  dead_letters: { open: number; oldest_at: string | null }
  webhooks: {
    active: number
    failing: number
    disabled: number
    late: number
    pending: number
    oldest_pending_seconds: number | null
  }
  statistics: { as_of: string; behind_seconds: number; pending: number; failed: number }
  can_change: boolean
  cannot_change_because: string | null
}

export interface Found {
  kind: string
  id: string
  order_id: string | null
  code: string | null
  what: string
  at: string
}

export interface Story {
  as_of: string
  order: {
    order_id: string
    code: string
    restaurant: string
    status: string
    customer_id: string | null
    placed_at: string
  }
  stuck: readonly {
    reason: string
    queue: string | null
    job_id: string | null
    next_attempt_at: string | null
    error: string | null
  }[]
  entries: readonly {
    at: string
    kind: string
    what: string
    event_id: string | null
    job_id: string | null
    attempts: number | null
    error: string | null
    details?: unknown
  }[]
  trace_ids: readonly string[]
  sql: readonly string[]
}

export interface Job {
  queue: string
  job_id: string
  event_type: string | null
  order_id: string | null
  attempts: number
  max_attempts: number
  state: string
  error: string | null
  queued_at: string
  due_at: string
  finished_at: string | null
}

export interface DeadLetter {
  dead_letter_id: string
  queue: string
  job_id: string
  event_type: string | null
  order_id: string | null
  attempts: number
  error: string | null
  died_at: string
  fate: string
  fate_at: string | null
}

export interface DeadLetterCounts {
  matching: number
  groups: readonly {
    queue: string
    event_type: string | null
    error: string | null
    dead_letters: number
    first_at: string
    last_at: string
  }[]
}

export interface QuarantinedEvent {
  event_id: string
  event_type: string
  order_id: string | null
  quarantined_at: string
  error: string
}

export interface Webhook {
  webhook_id: string
  host: string
  status: string
  disabled_reason: string | null
  paused_at: string | null
  failing_since: string | null
  last_success_at: string | null
  pending: number
  oldest_pending_seconds: number | null
  dead_letters: number
  last_answers?: unknown
}

/** What an action would change. */
export interface Matches {
  count: number
  by: readonly {
    queue: string | null
    event_type: string | null
    error: string | null
    state: string | null
    count: number
  }[]
}

/** A change of everything that matched a filter. */
export interface Action {
  action_id: string
  kind: string
  filter?: unknown
  status: string
  matched_count: number
  done_count: number
  failed_count: number
  skipped_count: number
  failures?: unknown
  created_at: string
  created_by: string
  reason: string
  /** of the latest transaction, when it failed */
  error: string | null
  ended_at: string | null
  result: string | null
}
