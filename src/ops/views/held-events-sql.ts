import { eventTypes } from '../../events/catalogue.ts'
import { eventRoutingSql } from './event-routing-sql.ts'

/** A dispatcher that has not counted the jobs of a queue for so long has ended, or is stuck. */
const HOLD_TIMEOUT = `interval '1 minute'`

/** Condition: the row `h` of `held_queues` is current. */
export const isCurrentHold = `h.counted_at > now() - ${HOLD_TIMEOUT}`

/** Types of the events that wait because the queue of one of their steps is full. */
const heldTypesSql = `
  array(
    select r.type
    from (values ${eventRoutingSql}) as r (type, queue)
    join held_queues as h using (queue)
    where ${isCurrentHold}
  )`

/** Condition: the pending event `e` is held, or an earlier event of its order is. */
export const isHeldSql = `(
    e.type = any (${heldTypesSql})
    or exists (
      select 1
      from outbox_events as earlier
      where earlier.order_id = e.order_id
        and earlier.event_id < e.event_id
        and earlier.dispatched_at is null
        and earlier.quarantined_at is null
        and earlier.type = any (${heldTypesSql})
    )
  )`

/**
 * Oldest pending events that are not held, at most `limit` per type: `event_id`, `order_id`, `type`
 * and `created_at`. Does not read the held ones.
 * @param condition on the event `e`
 */
export const waitingEventsSql = (limit: number, condition = 'true') => `
  select waiting.event_id, waiting.order_id, waiting.type, waiting.created_at
  from (values ${eventTypes.map(type => `('${type}')`).join(', ')}) as t (type)
  cross join lateral (
    select e.event_id, e.order_id, e.type, e.created_at
    from outbox_events as e
    where e.type = t.type
      and t.type <> all (${heldTypesSql})
      and e.dispatched_at is null
      and e.quarantined_at is null
      and ${condition}
      and not ${isHeldSql}
    order by e.event_id
    limit ${limit}
  ) as waiting`
