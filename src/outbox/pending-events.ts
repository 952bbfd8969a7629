import { type EventType, eventTypes } from '../events/catalogue.ts'
import { sinceOrderSql } from '../events/since-order.ts'

/** The bounds spare a scan of every partition, which `= any(…)` of a generic plan would make. */
export const inWindowSql = 'event_id >= $2::uuid and event_id < $3::uuid'

/**
 * Ids of at most $1 pending events in the window from $2 until $3, oldest first. An event is
 * pending until it is dispatched or quarantined.
 */
export const pendingSql = `
  select event_id
  from outbox_events
  where dispatched_at is null
    and quarantined_at is null
    and ${inWindowSql}
  order by event_id
  limit $1
`

/**
 * Returns the parameters $4 and $5 of {@link pendingBesideHeldSql}. Events of unknown types are not
 * claimed, and so not quarantined, while others are held.
 */
export function besideHeld(held: ReadonlySet<EventType>): [open: EventType[], held: EventType[]] | [] {
  return held.size > 0 ? [eventTypes.filter(type => !held.has(type)), [...held]] : []
}

/**
 * The same while events of the types $5 are held: only events of the types $4 whose order has no
 * held event before them. Compares rows and sorts by type, so that Postgres cannot choose the index
 * on the id alone, which would read all held events.
 */
export const pendingBesideHeldSql = `
  select event_id
  from (
    select pending.event_id
    from unnest($4::text[]) as open (type)
    cross join lateral (
      select event.event_id
      from outbox_events as event
      where event.dispatched_at is null
        and event.quarantined_at is null
        and (event.type, event.event_id) >= (open.type, $2::uuid)
        and (event.type, event.event_id) < (open.type, $3::uuid)
        and event.event_id >= $2::uuid
        and event.event_id < $3::uuid
        and not exists (
          select 1
          from (
            select e.event_id, e.type, e.dispatched_at, e.quarantined_at
            from outbox_events as e
            where e.order_id = event.order_id
              and ${sinceOrderSql('event')}
            offset 0
          ) as earlier
          where earlier.event_id < event.event_id
            and earlier.type = any($5::text[])
            and earlier.dispatched_at is null
            and earlier.quarantined_at is null
        )
      order by event.type, event.event_id
      limit $1
    ) as pending
  ) as candidates
  order by event_id
  limit $1
`
