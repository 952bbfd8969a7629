import { MAX_NAMED } from './queue-views.ts'
import type { View } from './view.ts'

/** Deliveries that are counted of a webhook, where there are few webhooks. */
const MAX_COUNTED = 2_000
/** Where there are many, they share this, */
const MAX_COUNTED_IN_ALL = 20_000
/** and each gets this many at least. */
const MIN_COUNTED = 10
/** Deliveries of a webhook among which its last attempt is looked for: the first that wait, and the newest. */
const LOOKED_AT = 10

const unsettled = `
        from webhook_deliveries as d
        where d.webhook_id = w.webhook_id
          and d.state in ('QUEUED', 'AWAITS_TURN', 'AWAITS_ROOM')`

/** Without secrets, and of the URL only the host: there may be more in the rest of it than operators need. */
export const webhooksView: View = {
  name: 'webhooks',
  comment: `Who is told of events by HTTP, and how that goes; those that were deleted are left out`,
  columns: {
    webhook_id: 'the webhook',
    host: 'where it leads',
    owner: 'the caller who added it',
    status: 'ACTIVE, or DISABLED: nothing is sent',
    disabled_reason: 'BY_OWNER, FAILING for five days without a success, or GONE: it answered 410',
    disabled_at: 'since when it is disabled',
    failing_since: 'the first failure after the last success; null: the last went well',
    last_success_at: 'when something last arrived, to a few seconds',
    pending: `deliveries that are not settled; counting stops at ${MAX_COUNTED}, and where there are more than ${MAX_COUNTED_IN_ALL / MAX_COUNTED} webhooks at ${MAX_COUNTED_IN_ALL} shared out among them, ${MIN_COUNTED} each at least`,
    oldest_pending_seconds:
      'how long the oldest of those counted has waited; the oldest orders are counted first',
    dead_letters: `open dead letters of it, of the latest ${MAX_NAMED} of its queue`,
    last_status: 'what it answered last; null: nothing',
    last_error: 'why it did not answer',
  },
  sql: `
    select w.webhook_id, substring(w.url from '^[a-z]+://([^/?#]+)'), w.owner, w.status, w.disabled_reason, w.disabled_at,
      w.failing_since, w.last_success_at, waiting.count, waiting.oldest_seconds, coalesce(dead.count, 0), last.status, last.error
    from webhooks as w
    cross join lateral (
      select count(*)::integer as count, extract(epoch from now() - min(created_at))::numeric(12, 1) as oldest_seconds
      from (
        select d.created_at
        ${unsettled}
        order by d.order_id, d.sequence
        limit (
          select least(${MAX_COUNTED}, greatest(${MIN_COUNTED}, ${MAX_COUNTED_IN_ALL} / greatest(1, count(*))))
          from webhooks
          where status <> 'DELETED'
        )
      ) as bounded
    ) as waiting
    left join (
      select data ->> 'webhook_id' as webhook_id, count(*)::integer as count
      from (
        select data
        from dead_letters
        where fate = 'OPEN'
          and queue = 'downstream.deliver'
        order by dead_at desc
        limit ${MAX_NAMED}
      ) as latest
      group by 1
    ) as dead on dead.webhook_id = w.webhook_id::text
    left join lateral (
      select a.status, a.error
      from (
        (
          select d.delivery_id
          ${unsettled}
          order by d.order_id, d.sequence
          limit ${LOOKED_AT}
        )
        union all
        (
          select d.delivery_id
          from webhook_deliveries as d
          where d.webhook_id = w.webhook_id
          order by d.delivery_id desc
          limit ${LOOKED_AT}
        )
      ) as candidates
      join webhook_attempts as a on a.delivery_id = candidates.delivery_id
      order by a.attempt_id desc
      limit 1
    ) as last on true
    where w.status <> 'DELETED'
    order by w.webhook_id`,
}
