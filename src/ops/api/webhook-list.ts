import { z } from 'zod'
import { paginationFields } from '../../http/pagination.ts'
import { demoIds } from '../../platform/demo-ids.ts'
import { NIL_UUID } from '../../platform/ids.ts'
import { viewNamed } from '../refresh-views.ts'
import { AT, filterText, paging } from './lists.ts'
import { type OpsRoutesOptions, opsList } from './ops-route.ts'
import { id, integer, json, number, orNull, rowsOf, text, time } from './view-rows.ts'

/** Newest deliveries of a webhook that are searched for its last answers. */
const SEARCHED_COUNT = 20
const ANSWER_COUNT = 5

const webhooks = rowsOf(
  'OpsWebhook',
  viewNamed('webhooks'),
  {
    webhook_id: id(demoIds.webhook),
    host: text('hooks.example'),
    owner: text('key:019a0000-0000-7000-8000-000000000301'),
    status: text('ACTIVE'),
    disabled_reason: orNull(text('FAILING')),
    disabled_at: orNull(time(AT)),
    paused_at: orNull(time(AT)),
    failing_since: orNull(time(AT)),
    last_success_at: orNull(time(AT)),
    pending: integer(4),
    oldest_pending_seconds: orNull(number(31.5)),
    dead_letters: integer(0),
    last_status: orNull(integer(503)),
    last_error: orNull(text('no answer within 15 s')),
    last_answers: json([
      {
        at: AT,
        delivery_id: demoIds.delivery,
        status: 503,
        duration_ms: 41,
        answer: 'try later',
        error: null,
      },
    ]),
  },
  {
    last_answers: `the latest ${ANSWER_COUNT} attempts among the newest ${SEARCHED_COUNT} deliveries, newest first: \`at\`, \`delivery_id\`, \`status\`, \`duration_ms\`, \`answer\`, \`error\``,
  },
)

export type OpsWebhookReply = (typeof webhooks)['example']

export const webhooksRoute = (options: OpsRoutesOptions) =>
  opsList(options, {
    path: '/api/v1/ops/webhooks',
    operationId: 'listOpsWebhooks',
    summary: 'List webhooks with their state',
    description: `Returns webhooks of all owners, in the order in which they were added: state, lag and last answers. ${paging}`,
    statusDescription: 'A page of webhooks',
    query: z.strictObject({
      host: filterText('Text that the host contains', 'example'),
      ...paginationFields,
    }),
    rows: webhooks,
    read: ({ host }, after, count) => ({
      sql: `
        select ${webhooks.columns}, array[webhook_id::text] as position
        from ops.webhooks as listed
        cross join lateral (
          select coalesce(jsonb_agg(attempt order by at desc), '[]') as last_answers
          from (
            select a.at, a.delivery_id, a.status, a.duration_ms, a.answer, a.error
            from (
              select d.delivery_id
              from webhook_deliveries as d
              where d.webhook_id = listed.webhook_id
              order by d.delivery_id desc
              limit ${SEARCHED_COUNT}
            ) as newest
            join webhook_attempts as a on a.delivery_id = newest.delivery_id
            order by a.attempt_id desc
            limit ${ANSWER_COUNT}
          ) as attempt
        ) as answers
        where ($1::text is null or position(lower($1) in lower(host)) > 0)
          and webhook_id > $2::uuid
        order by webhook_id
        limit $3`,
      values: [host ?? null, after?.[0] ?? NIL_UUID, count],
    }),
  })
