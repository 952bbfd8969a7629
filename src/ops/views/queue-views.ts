import { DELIVERIES, PENDING } from '../../webhooks/deliveries.ts'
import { isCurrentHold } from './held-events-sql.ts'
import type { View } from './view.ts'

// The tables of pg-boss may hold millions of jobs. Every figure comes from a bounded part of an
// index, so that the views take milliseconds whatever the tables hold.

/** Jobs of a kind that are counted exactly; larger counts come from pg-boss, some seconds old. */
const MAX_COUNTED = 2_000
/** Latest finished jobs of the last hour from which rates and percentiles are computed. */
const SAMPLE_COUNT = 500
const PERCENTILES = 'array[0.5, 0.95, 0.99]'

const counted = (condition: string) => `
  select count(*)::integer as jobs
  from (
    select 1
    from pgboss.job as j
    where j.name = q.name
      and ${condition}
    limit ${MAX_COUNTED}
  ) as bounded`

const exactOrCached = (jobs: string, cached: string) =>
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

/** Open dead letters that are counted per queue at most. */
export const MAX_DEAD_LETTERS = 10_000

const deadLettersOf = (queue: string) => `
  (
    select count(*)::integer
    from (
      select
      from dead_letters as d
      where d.fate = 'OPEN'
        and d.queue = ${queue}
      limit ${MAX_DEAD_LETTERS}
    ) as bounded
  )`

/** Pending deliveries that are counted at most. */
const MAX_DELIVERIES = 20_000

/**
 * The row of the webhook deliveries, whose queue is `webhook_deliveries`. Leased deliveries stand
 * first in the queue of their webhook: where the first one is not leased, no worker is sending.
 */
const deliveriesSql = `
  select '${DELIVERIES}', p.paused_at, null::timestamptz, pending.ready, pending.deferred, pending.retrying, pending.active,
    0, null::integer, oldest.seconds, null::numeric, null::numeric,
    ${deadLettersOf(`'${DELIVERIES}'`)},
    null::numeric, null::numeric, null::numeric, null::numeric
  from (
    select (count(*) filter (where not leased and next_attempt_at <= now()))::integer as ready,
      (count(*) filter (where next_attempt_at is null))::integer as deferred,
      (count(*) filter (where not leased and next_attempt_at > now()))::integer as retrying,
      (count(*) filter (where leased))::integer as active
    from (
      select next_attempt_at, coalesce(leased_until > now(), false) as leased
      from webhook_deliveries
      where state = '${PENDING}'
      limit ${MAX_DELIVERIES}
    ) as bounded
  ) as pending
  cross join (
    select extract(epoch from now() - min(first.next_attempt_at))::numeric(12, 1) as seconds
    from webhooks as w
    cross join lateral (
      select d.next_attempt_at, coalesce(d.leased_until > now(), false) as leased
      from webhook_deliveries as d
      where d.state = '${PENDING}'
        and d.webhook_id = w.webhook_id
        and d.next_attempt_at <= now()
      order by d.next_attempt_at, d.delivery_id
      limit 1
    ) as first
    where not first.leased
  ) as oldest
  left join paused_queues as p on p.queue = '${DELIVERIES}'`

export const queueViews: View[] = [
  {
    name: 'queues',
    comment: `Each queue: jobs by state, throughput and latency. Counts of ${MAX_COUNTED} and more are some seconds old. For ${DELIVERIES}: webhook deliveries, counted up to ${MAX_DELIVERIES}`,
    columns: {
      queue: 'name of the queue',
      paused_at: 'when an operator paused the queue; null: not paused',
      held_at: 'since when the events of the queue wait in the outbox, because it is full; null: they do not',
      ready: 'jobs due for their first attempt',
      deferred: 'jobs due at a later time; deliveries that wait for an earlier event of their order',
      retrying: 'jobs that failed and will be retried',
      active: 'jobs that workers are running',
      failed:
        'jobs that used up their attempts and are still kept by pg-boss; ops.dead_letters keeps them all',
      done_last_minute: `jobs completed in the last minute; above ${SAMPLE_COUNT}, extrapolated from the latest ${SAMPLE_COUNT}; null: deliveries, which the metrics of webhooks count`,
      oldest_ready_seconds:
        'seconds since the oldest due job became due; null: no job is due; deliveries: only of webhooks to which no worker is sending',
      wait_p95_seconds: `95th percentile of the time from due to started, of the latest ${SAMPLE_COUNT} jobs of the last hour`,
      run_p95_seconds: `95th percentile of the run time, of the latest ${SAMPLE_COUNT} jobs of the last hour`,
      dead_letters: `open dead letters of the queue; counted up to ${MAX_DEAD_LETTERS}`,
      wait_p50_seconds: 'median of the same times from due to started',
      wait_p99_seconds: '99th percentile of the same times from due to started',
      run_p50_seconds: 'median of the same run times',
      run_p99_seconds: '99th percentile of the same run times',
    },
    sql: `
      select q.name, p.paused_at, h.held_at,
        ${exactOrCached('ready.jobs', 'q.ready_count')},
        ${exactOrCached('deferred.jobs', 'q.deferred_count')},
        retrying.jobs, active.jobs,
        ${exactOrCached('failed.jobs', 'q.failed_count')},
        case
          when done.last_minute < ${SAMPLE_COUNT} then done.last_minute
          else round(done.last_minute * 60 / greatest(extract(epoch from now() - done.oldest), 0.001))::integer
        end,
        extract(epoch from now() - least(${oldestDue('created')}, ${oldestDue('retry')}))::numeric(12, 1),
        done.waits[2]::numeric(12, 3), done.runs[2]::numeric(12, 3), ${deadLettersOf('q.name')},
        done.waits[1]::numeric(12, 3), done.waits[3]::numeric(12, 3), done.runs[1]::numeric(12, 3),
        done.runs[3]::numeric(12, 3)
      from pgboss.queue as q
      left join paused_queues as p on p.queue = q.name
      left join held_queues as h on h.queue = q.name and ${isCurrentHold}
      cross join lateral (${counted(`j.state = 'created' and not j.blocked and j.start_after <= now()`)}) as ready
      cross join lateral (${counted(`j.state = 'created' and not j.blocked and j.start_after > now()`)}) as deferred
      cross join lateral (${counted(`j.state = 'retry'`)}) as retrying
      cross join lateral (${counted(`j.state = 'active'`)}) as active
      cross join lateral (${counted(`j.state = 'failed'`)}) as failed
      cross join lateral (
        select min(completed_on) as oldest,
          (count(*) filter (where state = 'completed' and completed_on > now() - interval '1 minute'))::integer
            as last_minute,
          percentile_cont(${PERCENTILES}) within group (order by extract(epoch from started_on - start_after)) as waits,
          percentile_cont(${PERCENTILES}) within group (order by extract(epoch from completed_on - started_on)) as runs
        from (
          select j.state, j.start_after, j.started_on, j.completed_on
          from pgboss.job as j
          where j.name = q.name
            and j.completed_on > now() - interval '1 hour'
          order by j.completed_on desc
          limit ${SAMPLE_COUNT}
        ) as latest
      ) as done
      where q.name <> '${DELIVERIES}'
      union all
      ${deliveriesSql}
      order by 1`,
  },
  {
    name: 'schedules',
    comment: 'Scheduled jobs, with the latest run of each',
    columns: {
      queue: 'queue in which each run is a job',
      cron: 'schedule in UTC, as a cron expression',
      last_run_at: 'when the latest run was queued; null: pg-boss keeps no run',
      last_state: 'state of the latest run: completed, failed, active, retry or created',
      last_seconds: 'run time of the latest run',
      last_result: 'result of the latest run, or its error',
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
