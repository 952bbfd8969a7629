import { SILENT_AFTER_SECONDS } from '../liveness/heartbeat.ts'
import type { View } from './view.ts'

export const processViews: View[] = [
  {
    name: 'workers',
    comment:
      'Every process of the last day: where it runs, whether it lives, what it works on. A process with several roles has a line for each',
    columns: {
      process_id: 'a role of a process, from its start to its end',
      role: 'api, dispatcher or worker',
      host: 'the machine or container',
      pid: 'its process id there',
      version: 'the version of Comanda that it runs',
      state: `LIVE; SILENT: not heard of for ${SILENT_AFTER_SECONDS} s, so it is dead, frozen or cut off from the database; STOPPED: it ended as it should`,
      started_at: 'when it started',
      heartbeat_at: 'when it was last heard of',
      heartbeat_age_seconds: 'how long ago that was',
      working_on: 'the queues that it works, with the jobs in hand where there are any',
      jobs_in_hand: 'jobs in hand at its last heartbeat',
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
    comment: 'What operators have changed by hand, and why',
    columns: {
      audit_id: 'the change',
      at: 'when',
      actor: 'who',
      action: 'what was done',
      reason: 'why, in the operator’s words',
      details: 'what it was done to',
    },
    sql: `
      select audit_id, at, actor, action, reason, details
      from ops_audit`,
  },
]
