import type { View } from './view.ts'

/** Rows that a view lists per queue and reason. */
export const MAX_LISTED = 100
/** Seconds after which a due job that no worker has started counts as stuck. */
export const STUCK_AFTER_SECONDS = 60

/** Attempts at a job, including a running one: pg-boss counts a retry when the retry starts. */
export const attemptsSql = `retry_count + case when started_on is null then 0 else 1 end`

/** Columns of a job `j` that several views share, in the order of {@link jobColumns}. */
const jobSql = `
  j.name, j.id, (j.data ->> 'event_id')::uuid, j.data ->> 'type', (j.data ->> 'order_id')::uuid,
  ${attemptsSql}, j.retry_limit + 1,
  coalesce(j.output ->> 'message', j.output #>> '{value,message}', j.output::text), j.created_on`

const jobColumns = {
  queue: 'queue of the job',
  job_id: 'id of the job; the first job of an event in a queue has the id of the event',
  event_id: 'event that the job handles',
  event_type: 'type of the event',
  order_id: 'order of the event',
  attempts: 'attempts so far, including a running one',
  max_attempts: 'attempts after which the job becomes a dead letter',
  error: 'error of the last attempt',
  queued_at: 'when the job was queued',
}

const stuck = (reason: string, since: string, next: string, condition: string, order: string) => `
  (
    select ${jobSql}, ${reason}, extract(epoch from now() - ${since})::numeric(12, 1), ${next}
    from pgboss.job as j
    where j.name = q.name
      and ${condition}
    order by ${order}
    limit ${MAX_LISTED}
  )`

const stuckColumns = {
  ...jobColumns,
  reason:
    'PAUSED: an operator paused the queue; WAITING: no worker has started the job; RETRYING: the last attempt failed; SILENT: the heartbeat of the worker is overdue; OVERDUE: the job runs longer than allowed',
  stuck_seconds:
    'seconds since the job was due (WAITING, PAUSED), queued (RETRYING), or since its last heartbeat or start (SILENT, OVERDUE)',
  next_attempt_at: 'when the job is retried; null: no retry is scheduled',
}

export const jobViews: View[] = [
  {
    name: 'jobs',
    comment:
      'Jobs as long as pg-boss keeps them: select by queue. Indexes order them by queued_at, and those of one state by due_at (created, retry, active, failed) or finished_at (completed)',
    columns: {
      ...jobColumns,
      state:
        'created: waits for its first attempt; retry: waits for another one; active: running; completed; cancelled; failed: used up its attempts',
      due_at: 'when the next or latest attempt was due',
      started_at: 'when the latest attempt started',
      finished_at: 'when the job ended',
    },
    sql: `
      select ${jobSql}, j.state, j.start_after, j.started_on, j.completed_on
      from pgboss.job as j
      where not j.blocked`,
  },
  {
    name: 'stuck_jobs',
    comment: `Jobs that do not progress: due for more than ${STUCK_AFTER_SECONDS} s, retrying, or active in a worker that is silent; the oldest ${MAX_LISTED} per queue and reason`,
    columns: stuckColumns,
    sql: `
      select s.*
      from pgboss.queue as q
      left join paused_queues as p on p.queue = q.name
      cross join lateral (
        ${stuck(
          `case when p.queue is null then 'WAITING' else 'PAUSED' end`,
          'j.start_after',
          'null::timestamptz',
          `j.state = 'created' and not j.blocked and j.start_after < now() - interval '${STUCK_AFTER_SECONDS} seconds'`,
          'j.start_after',
        )}
        union all
        ${stuck(
          `case when p.queue is null then 'RETRYING' else 'PAUSED' end`,
          'j.created_on',
          'j.start_after',
          `j.state = 'retry' and not j.blocked and j.created_on < now() - interval '${STUCK_AFTER_SECONDS} seconds'`,
          'j.start_after',
        )}
        union all
        ${stuck(
          `case when j.started_on < now() - make_interval(secs => j.expire_seconds) then 'OVERDUE' else 'SILENT' end`,
          'coalesce(j.heartbeat_on, j.started_on)',
          'null::timestamptz',
          `j.state = 'active'
            and (
              j.started_on < now() - make_interval(secs => j.expire_seconds)
              or j.heartbeat_on < now() - make_interval(secs => j.heartbeat_seconds)
            )`,
          'j.started_on',
        )}
      ) as s`,
  },
  {
    name: 'failed_jobs',
    comment: `Jobs that used up their attempts, as long as pg-boss keeps them; the latest ${MAX_LISTED} per queue`,
    columns: { ...jobColumns, failed_at: 'when the last attempt failed' },
    sql: `
      select f.*
      from pgboss.queue as q
      cross join lateral (
        select ${jobSql}, j.completed_on
        from pgboss.job as j
        where j.name = q.name
          and j.state = 'failed'
          and not j.blocked
        order by j.start_after desc
        limit ${MAX_LISTED}
      ) as f`,
  },
  {
    name: 'dead_letters',
    comment:
      'Every job that used up its attempts, with the decision of the operators; rows are never deleted',
    columns: {
      dead_letter_id: 'id of the dead letter',
      queue: 'queue of the job',
      job_id: 'id of the job',
      event_id: 'event that the job handled',
      event_type: 'type of the event',
      order_id: 'order of the event',
      attempts: 'attempts made',
      error: 'error of the last attempt',
      died_at: 'when the last attempt failed',
      fate: 'OPEN: to be decided by an operator; REDRIVEN: queued again as a new job; DISCARDED: closed without a new job',
      fate_at: 'when an operator decided',
      redriven_job_id: 'the new job of a redrive',
      redriven_job_state: 'state of the new job; null: no new job, or pg-boss has deleted it since',
    },
    sql: `
      select d.dead_letter_id, d.queue, d.job_id, d.event_id, d.event_type, d.order_id, d.attempts,
        coalesce(d.error ->> 'message', d.error::text), d.dead_at, d.fate, d.fate_at, d.redriven_job_id,
        (select j.state::text from pgboss.job as j where j.name = d.queue and j.id = d.redriven_job_id)
      from dead_letters as d`,
  },
]
