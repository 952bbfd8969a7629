import type { View } from './view.ts'

/** Events that are counted; beyond them the figure says only that there are as many. */
const MAX_COUNTED = 20_000
const MAX_REASONS = 20

export const outboxViews: View[] = [
  {
    name: 'outbox',
    comment:
      'The outbox in one row: how much waits for a dispatcher, how fast it goes, what has been put aside',
    columns: {
      pending: `committed events that no dispatcher has moved to their queues yet; ${MAX_COUNTED} stands for as many or more`,
      oldest_pending_at: 'when the oldest of them was written; null: none waits',
      oldest_pending_seconds: 'how long that one has waited',
      written_last_minute: `events written in the last minute; ${MAX_COUNTED} stands for as many or more`,
      dispatched_last_minute:
        'events that dispatchers moved in the last minute, as they said at their last heartbeat',
      quarantined:
        'events that cannot be dispatched and have been put aside; ops.quarantined_events names them',
      quarantine_reasons: `why, at most ${MAX_REASONS} reasons: type, error and how many`,
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
        from outbox_events
        where dispatched_at is null
          and quarantined_at is null
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
        where role = 'dispatcher'
          and stopped_at is null
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
      'Events that cannot be dispatched; `npm run ops -- quarantine release` gives them to the dispatcher again',
    columns: {
      event_id: 'the event',
      event_type: 'its type',
      order_id: 'the order that it is about',
      written_at: 'when it was written',
      quarantined_at: 'when a dispatcher put it aside',
      error: 'why',
    },
    sql: `
      select event_id, type, order_id, created_at, quarantined_at, error
      from outbox_events
      where quarantined_at is not null`,
  },
]
