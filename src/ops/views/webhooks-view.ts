import { DELIVERIES, PENDING } from '../../webhooks/deliveries.ts'
import { MAX_LISTED } from './job-views.ts'
import type { View } from './view.ts'

/** Pending deliveries that are counted per webhook at most. */
const MAX_COUNTED = 2_000
/** Pending deliveries that are counted over all webhooks, shared equally between them. */
const MAX_COUNTED_IN_ALL = 20_000
/** Pending deliveries that are counted per webhook in any case. */
const MIN_COUNTED = 10
/** Oldest pending and newest deliveries of a webhook that are searched for its last attempt. */
const SEARCHED_COUNT = 10

const pendingSql = `
        from webhook_deliveries as d
        where d.webhook_id = w.webhook_id
          and d.state = '${PENDING}'`

/** Shows no secrets, and only the host of the URL, since its path and query may hold a secret. */
export const webhooksView: View = {
  name: 'webhooks',
  comment: 'Webhooks and the state of their deliveries, without deleted webhooks',
  columns: {
    webhook_id: 'id of the webhook',
    host: 'host of the endpoint',
    owner: 'caller who created the webhook',
    status: 'ACTIVE, or DISABLED: nothing is sent',
    disabled_reason:
      'BY_OWNER; FAILING: five days of failures without a success; GONE: the endpoint answered 410',
    disabled_at: 'when the webhook was disabled',
    paused_at: 'when an operator paused the deliveries, which wait since then; null: not paused',
    failing_since: 'time of the first failure after the last success; null: the last attempt succeeded',
    last_success_at: 'time of the last success, accurate to a few seconds',
    pending: `deliveries that are not finished; counted up to ${MAX_COUNTED}, or with more than ${MAX_COUNTED_IN_ALL / MAX_COUNTED} webhooks up to an equal share of ${MAX_COUNTED_IN_ALL}, at least ${MIN_COUNTED}`,
    oldest_pending_seconds:
      'age of the oldest counted delivery; deliveries of the oldest orders are counted first',
    dead_letters: `open dead letters of the webhook, among the latest ${MAX_LISTED} of the queue`,
    last_status: 'status of the last response; null: no response',
    last_error: 'why the endpoint did not respond',
  },
  sql: `
    select w.webhook_id, substring(w.url from '^[a-z]+://([^/?#]+)'), w.owner, w.status, w.disabled_reason, w.disabled_at,
      w.paused_at, w.failing_since, w.last_success_at, pending.count, pending.oldest_seconds, coalesce(dead.count, 0), last.status, last.error
    from webhooks as w
    cross join lateral (
      select count(*)::integer as count, extract(epoch from now() - min(created_at))::numeric(12, 1) as oldest_seconds
      from (
        select d.created_at
        ${pendingSql}
        order by d.order_id, d.sequence
        limit (
          select least(${MAX_COUNTED}, greatest(${MIN_COUNTED}, ${MAX_COUNTED_IN_ALL} / greatest(1, count(*))))
          from webhooks
          where status <> 'DELETED'
        )
      ) as bounded
    ) as pending
    left join (
      select data ->> 'webhook_id' as webhook_id, count(*)::integer as count
      from (
        select data
        from dead_letters
        where fate = 'OPEN'
          and queue = '${DELIVERIES}'
        order by dead_at desc
        limit ${MAX_LISTED}
      ) as latest
      group by 1
    ) as dead on dead.webhook_id = w.webhook_id::text
    left join lateral (
      select a.status, a.error
      from (
        (
          select d.delivery_id
          ${pendingSql}
          order by d.order_id, d.sequence
          limit ${SEARCHED_COUNT}
        )
        union all
        (
          select d.delivery_id
          from webhook_deliveries as d
          where d.webhook_id = w.webhook_id
          order by d.delivery_id desc
          limit ${SEARCHED_COUNT}
        )
      ) as candidates
      join webhook_attempts as a on a.delivery_id = candidates.delivery_id
      order by a.attempt_id desc
      limit 1
    ) as last on true
    where w.status <> 'DELETED'
    order by w.webhook_id`,
}
