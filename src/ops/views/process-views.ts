import { SILENT_AFTER_SECONDS } from '../liveness/heartbeat.ts'
import type { View } from './view.ts'

export const processViews: View[] = [
  {
    name: 'workers',
    comment:
      'Every process of the last day: host, state and current work. A process with several roles has one row per role',
    columns: {
      process_id: 'id of a role of a process, new at each start',
      role: 'api, dispatcher or worker',
      host: 'host name of the machine or container',
      pid: 'process id on the host',
      version: 'version of Comanda',
      state: `LIVE; SILENT: no heartbeat for ${SILENT_AFTER_SECONDS} s, because the process is dead, frozen or cut off from the database; STOPPED: the process was shut down`,
      started_at: 'when the process started',
      heartbeat_at: 'time of the last heartbeat',
      heartbeat_age_seconds: 'seconds since the last heartbeat',
      working_on: 'queues that the process works on, with the number of active jobs in parentheses',
      jobs_in_hand: 'active jobs at the last heartbeat',
    },
    sql: `
      select p.process_id, p.role, p.host, p.pid, p.version,
        case
          when p.stopped_at is not null then 'STOPPED'
          when p.beat_at < now() - interval '${SILENT_AFTER_SECONDS} seconds' then 'SILENT'
          else 'LIVE'
        end,
        p.started_at, p.beat_at, extract(epoch from now() - p.beat_at)::numeric(12, 1), w.queues, w.jobs
      from process_heartbeats as p
      cross join lateral (
        select string_agg(queue || case when jobs > 0 then ' (' || jobs || ')' else '' end, ', ' order by queue) as queues,
          coalesce(sum(jobs), 0)::integer as jobs
        from jsonb_to_recordset(p.working_on) as w (queue text, jobs integer)
      ) as w`,
  },
  {
    name: 'audit',
    comment: 'Manual changes by operators',
    columns: {
      audit_id: 'id of the change',
      at: 'when the change was made',
      actor: 'operator who made the change',
      action: 'kind of change',
      reason: 'reason given by the operator',
      details: 'changed objects as JSON',
    },
    sql: `
      select audit_id, at, actor, action, reason, details
      from ops_audit`,
  },
  {
    name: 'actions',
    comment: 'Actions of operators on everything that matched a filter when the action was created',
    columns: {
      action_id: 'id of the action',
      kind: 'what is done, and to what',
      filter: 'filter of the action as JSON',
      status:
        'RUNNING; DONE: every match was handled; CANCELLED: by an operator; FAILED: the cause is in the result',
      matched_count: 'objects that matched when the action was created',
      done_count: 'objects that the action changed',
      failed_count: 'objects that could not be changed',
      skipped_count: 'objects that no longer matched, because of another change',
      failures: 'number of failures by reason as JSON',
      created_at: 'when the action was created',
      created_by: 'operator who created the action',
      reason: 'reason given by the operator',
      worked_at: 'time of the latest progress',
      error:
        'error of the latest transaction when it failed; the next one has half as many objects, and comes later',
      ended_at: 'when the action ended',
      result: 'outcome of an ended action as a sentence',
    },
    sql: `
      select action_id, kind, filter, status, matched_count, done_count, failed_count, skipped_count, failures,
        created_at, actor, reason, worked_at, error, ended_at, result
      from ops_actions`,
  },
]
