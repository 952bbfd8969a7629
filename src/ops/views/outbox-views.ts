import { waitingEventsSql } from './held-events-sql.ts'
import type { View } from './view.ts'

/** Events that are counted at most. */
const MAX_COUNTED = 20_000
const MAX_REASONS = 20

export const outboxViews: View[] = [
  {
    name: 'outbox',
    comment: 'The outbox in one row: pending events, throughput, quarantined events',
    columns: {
      pending: `committed events that are not dispatched yet; ${MAX_COUNTED} means as many or more`,
      oldest_pending_at:
        'when the oldest pending event was written, except events that are held because a queue is full (ops.queues.held_at); null: none',
      oldest_pending_seconds: 'age of that event',
      written_last_minute: `events written in the last minute; ${MAX_COUNTED} means as many or more`,
      dispatched_last_minute:
        'events that dispatchers moved to their queues in the last minute, and that workers published with their jobs, as of the last heartbeats',
      quarantined: 'events that cannot be dispatched; ops.quarantined_events lists them',
      quarantine_reasons: `event type, error and number of quarantined events, for at most ${MAX_REASONS} reasons`,
    },
    sql: `
      select pending.events, oldest.created_at, extract(epoch from now() - oldest.created_at)::numeric(12, 1),
        written.events, coalesce(dispatched.events, 0), quarantined.events, reasons.list
      from (
        select count(*)::integer as events
        from (
          select 1
          from outbox_events
          where dispatched_at is null
            and quarantined_at is null
          limit ${MAX_COUNTED}
        ) as bounded
      ) as pending
      left join (
        select created_at
        from (${waitingEventsSql(1)}) as waiting
        order by event_id
        limit 1
      ) as oldest on true
      cross join (
        select count(*)::integer as events
        from (
          select 1
          from outbox_events
          where event_id >= (select uuidv7(interval '-1 minute'))
          limit ${MAX_COUNTED}
        ) as bounded
      ) as written
      cross join (
        select sum(dispatched_last_minute)::integer as events
        from process_heartbeats
        where stopped_at is null
          and beat_at > now() - interval '1 minute'
      ) as dispatched
      cross join (
        select count(*)::integer as events
        from outbox_events
        where quarantined_at is not null
      ) as quarantined
      cross join (
        select coalesce(jsonb_agg(reason), '[]') as list
        from (
          select jsonb_build_object('type', type, 'error', error, 'events', count(*)) as reason
          from outbox_events
          where quarantined_at is not null
          group by type, error
          order by count(*) desc, type, error
          limit ${MAX_REASONS}
        ) as bounded
      ) as reasons`,
  },
  {
    name: 'quarantined_events',
    comment:
      'Events that cannot be dispatched; `npm run ops -- quarantine release` releases them to the dispatcher',
    columns: {
      event_id: 'id of the event',
      event_type: 'type of the event',
      order_id: 'order of the event',
      written_at: 'when the event was written',
      quarantined_at: 'when a dispatcher quarantined the event',
      error: 'why the event cannot be dispatched',
    },
    sql: `
      select event_id, type, order_id, created_at, quarantined_at, error
      from outbox_events
      where quarantined_at is not null`,
  },
]
