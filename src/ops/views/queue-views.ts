import type { View } from './view.ts'

/**
 * What the queues hold. pg-boss's tables may hold millions of jobs: every figure here comes from a bounded piece of an
 * index, so that a look costs milliseconds whatever there is.
 */

/** Jobs that are counted of a kind; beyond them stands what pg-boss itself counted some seconds ago. */
const MAX_COUNTED = 2_000
/** Jobs, the latest to end in the last hour, that rates and percentiles are taken from. */
const SAMPLE_COUNT = 500
/** Rows that a view names of each queue and kind. */
export const MAX_NAMED = 100
/** Longest a job may wait, once due, before it counts as stuck. */
export const STUCK_AFTER_SECONDS = 60

const counted = (condition: string) => `
  select count(*)::integer as jobs
  from (
    select 1
    from pgboss.job as j
    where j.name = q.name
      and ${condition}
    limit ${MAX_COUNTED}
  ) as bounded`

const orWhatPgBossCounted = (jobs: string, cached: string) =>
  `case when ${jobs} < ${MAX_COUNTED} then ${jobs} else greatest(${jobs}, ${cached}) end`

const oldestDue = (state: string) => `
  (
    select start_after
    from pgboss.job as j
    where j.name = q.name
      and j.state = '${state}'
      and not j.blocked
      and j.start_after <= now()
    order by j.start_after
    limit 1
  )`

/** How often a job has been begun: pg-boss counts a retry when it is begun, not when the attempt before fails. */
export const attemptsSql = `retry_count + case when started_on is null then 0 else 1 end`

/** Columns of a job `j` that views share; whoever adds one adds its text to {@link jobColumns}. */
const jobSql = `
  j.name, j.id, (j.data ->> 'event_id')::uuid, j.data ->> 'type', (j.data ->> 'order_id')::uuid,
  ${attemptsSql}, j.retry_limit + 1,
  coalesce(j.output ->> 'message', j.output #>> '{value,message}', j.output::text), j.created_on`

const jobColumns = {
  queue: 'the queue',
  job_id: 'the job; its first has the id of its event',
  event_id: 'the event that it is for',
  event_type: 'the type of that event',
  order_id: 'the order that the event is about',
  attempts: 'how often it has been begun',
  max_attempts: 'how often it may be begun before it becomes a dead letter',
  error: 'what the last attempt said',
  queued_at: 'when it was queued',
}

const stuck = (reason: string, since: string, next: string, condition: string, order: string) => `
  (
    select ${jobSql}, ${reason}, extract(epoch from now() - ${since})::numeric(12, 1), ${next}
    from pgboss.job as j
    where j.name = q.name
      and ${condition}
    order by ${order}
    limit ${MAX_NAMED}
  )`

const stuckColumns = {
  ...jobColumns,
  reason:
    'PAUSED by an operator; WAITING for a worker; RETRYING after a failure; SILENT: its worker’s heartbeat is overdue; OVERDUE: it runs longer than allowed',
  stuck_seconds: 'since it was due, first queued, last heard of or begun',
  next_attempt_at: 'when it is tried again, if that has a time',
}

export const queueViews: View[] = [
  {
    name: 'queues',
    comment: `Each queue: what it holds and how fast it goes. A count of ${MAX_COUNTED} or more is what pg-boss counted some seconds ago`,
    columns: {
      queue: 'the queue',
      paused_at: 'since when operators have it paused; null: it is worked',
      ready: 'jobs that a worker could take now, for the first time',
      deferred: 'jobs that become ready at a later time',
      retrying: 'jobs that have failed and are to be tried again',
      active: 'jobs in the hands of workers',
      failed:
        'jobs that have failed for good and are still kept by pg-boss; ops.dead_letters has them for ever',
      done_last_minute: `jobs completed in the last minute; above ${SAMPLE_COUNT}, worked out from the latest ${SAMPLE_COUNT}`,
      oldest_ready_seconds:
        'how long the oldest job has waited that a worker could take now; null: none waits',
      wait_p95_seconds: `95 of 100 jobs were begun within this time of being due; of the latest ${SAMPLE_COUNT} of the last hour`,
      run_p95_seconds: `95 of 100 jobs ran this long at most; of the latest ${SAMPLE_COUNT} of the last hour`,
      dead_letters: 'open dead letters',
    },
    sql: `
      select q.name, p.paused_at,
        ${orWhatPgBossCounted('ready.jobs', 'q.ready_count')},
        ${orWhatPgBossCounted('deferred.jobs', 'q.deferred_count')},
        retrying.jobs, active.jobs,
        ${orWhatPgBossCounted('failed.jobs', 'q.failed_count')},
        case
          when done.last_minute < ${SAMPLE_COUNT} then done.last_minute
          else round(done.last_minute * 60 / greatest(extract(epoch from now() - done.oldest), 0.001))::integer
        end,
        extract(epoch from now() - least(${oldestDue('created')}, ${oldestDue('retry')}))::numeric(12, 1),
        done.wait_p95::numeric(12, 3), done.run_p95::numeric(12, 3), coalesce(dead.letters, 0)
      from pgboss.queue as q
      left join paused_queues as p on p.queue = q.name
      left join (
        select queue, count(*)::integer as letters
        from dead_letters
        where fate = 'OPEN'
        group by queue
      ) as dead on dead.queue = q.name
      cross join lateral (${counted(`j.state = 'created' and not j.blocked and j.start_after <= now()`)}) as ready
      cross join lateral (${counted(`j.state = 'created' and not j.blocked and j.start_after > now()`)}) as deferred
      cross join lateral (${counted(`j.state = 'retry'`)}) as retrying
      cross join lateral (${counted(`j.state = 'active'`)}) as active
      cross join lateral (${counted(`j.state = 'failed'`)}) as failed
      cross join lateral (
        select min(completed_on) as oldest,
          (count(*) filter (where state = 'completed' and completed_on > now() - interval '1 minute'))::integer
            as last_minute,
          percentile_cont(0.95) within group (order by extract(epoch from started_on - start_after)) as wait_p95,
          percentile_cont(0.95) within group (order by extract(epoch from completed_on - started_on)) as run_p95
        from (
          select j.state, j.start_after, j.started_on, j.completed_on
          from pgboss.job as j
          where j.name = q.name
            and j.completed_on > now() - interval '1 hour'
          order by j.completed_on desc
          limit ${SAMPLE_COUNT}
        ) as latest
      ) as done
      order by q.name`,
  },
  {
    name: 'stuck_jobs',
    comment: `Jobs that do not get on: due for more than ${STUCK_AFTER_SECONDS} s, failing, or with a worker that is not heard of; the oldest ${MAX_NAMED} of each queue and kind`,
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
    comment: `Jobs that have failed for good, as long as pg-boss keeps them; the latest ${MAX_NAMED} of each queue`,
    columns: { ...jobColumns, failed_at: 'when its last attempt failed' },
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
        limit ${MAX_NAMED}
      ) as f`,
  },
  {
    name: 'dead_letters',
    comment: 'Every job that has used up its attempts, for ever, with what became of it',
    columns: {
      dead_letter_id: 'the dead letter',
      queue: 'the queue that the job died in',
      job_id: 'the job',
      event_id: 'its event',
      event_type: 'the type of that event',
      order_id: 'the order that the event is about',
      attempts: 'how often it was tried',
      error: 'what the last attempt said',
      died_at: 'when',
      fate: 'OPEN: nobody has decided; REDRIVEN: given to its queue again; DISCARDED: closed',
      fate_at: 'when that was decided',
      redriven_job_id: 'the job that it was given again as',
      redriven_job_state: 'how far that job is; null: there is none, or pg-boss has deleted it since',
    },
    sql: `
      select d.dead_letter_id, d.queue, d.job_id, d.event_id, d.event_type, d.order_id, d.attempts,
        coalesce(d.error ->> 'message', d.error::text), d.dead_at, d.fate, d.fate_at, d.redriven_job_id,
        (select j.state::text from pgboss.job as j where j.name = d.queue and j.id = d.redriven_job_id)
      from dead_letters as d`,
  },
  {
    name: 'schedules',
    comment: 'What runs by the clock, and how its latest run went',
    columns: {
      queue: 'the queue that a run is a job of',
      cron: 'when it runs, in UTC',
      last_run_at: 'when its latest run was queued; null: pg-boss keeps none',
      last_state: 'completed, failed, active, retry or created',
      last_seconds: 'how long that took',
      last_result: 'what it returned, or its error',
    },
    sql: `
      select s.name, s.cron, j.created_on, j.state::text,
        extract(epoch from j.completed_on - j.started_on)::numeric(12, 3), j.output
      from pgboss.schedule as s
      left join lateral (
        select j.created_on, j.state, j.started_on, j.completed_on, j.output
        from pgboss.job as j
        where j.name = s.name
        order by j.created_on desc
        limit 1
      ) as j on true`,
  },
]
