import { z } from 'zod'
import type { Sql } from '../../db/transaction.ts'
import { paginationFields } from '../../http/pagination.ts'
import type { Route } from '../../http/route.ts'
import { id } from '../../http/schema-fields.ts'
import { demoIds } from '../../platform/demo-ids.ts'
import { NotFound, UnexpectedCount, ValidationFailed } from '../../platform/errors.ts'
import { MAX_UUID } from '../../platform/ids.ts'
import { MAX_TARGET_COUNT } from '../actions/action-kinds.ts'
import { cancelAction, previewAction, startAction } from '../actions/actions.ts'
import {
  type ActionReply,
  actionBody,
  actions,
  checkFilter,
  type PreviewReply,
  previewBody,
  previewReply,
} from './action-contract.ts'
import { paging } from './lists.ts'
import { changeBody, opsChange, opsPost } from './ops-change.ts'
import { type OpsRoutesOptions, opsList, opsRoute } from './ops-route.ts'

/** Actions on everything that matches a filter. */
export function actionRoutes(options: OpsRoutesOptions): Route[] {
  return [
    previewRoute(options),
    startRoute(options),
    listRoute(options),
    getRoute(options),
    cancelRoute(options),
  ]
}

const path = '/api/v1/ops/actions'
const params = z.strictObject({ action_id: id('action', demoIds.action) })
const wrongFilter = new ValidationFailed([{ pointer: '/filter/queue', detail: 'is required for jobs.retry' }])

const WHAT_MATCHES = `Dead letters are those that are OPEN, with \`type\` or \`error\` among the latest ${MAX_TARGET_COUNT} that match the other fields; jobs those that wait for another attempt or used up their attempts. Quarantined events cannot be discarded, because an order would never go on.`

const previewRoute = (options: OpsRoutesOptions) =>
  opsPost(options, {
    path: '/api/v1/ops/action-previews',
    operationId: 'previewOpsAction',
    summary: 'Preview an action on many objects',
    description: `Counts the objects that match, by queue, type, error and state. Changes nothing. ${WHAT_MATCHES}`,
    body: previewBody,
    status: 200,
    statusDescription: 'What the action would change',
    replySchema: previewReply,
    replyExample: {
      count: 3,
      by: [
        { queue: 'inventory.deduct', event_type: 'order.placed.v1', error: 'timeout', state: null, count: 3 },
      ],
    } satisfies PreviewReply,
    errors: [wrongFilter],
    handle: async (tx, { body: { kind, filter } }) => {
      checkFilter(kind, filter)
      return { body: await previewAction(tx, { kind, filter }) }
    },
  })

const startRoute = (options: OpsRoutesOptions) =>
  opsChange(options, {
    path,
    operationId: 'startOpsAction',
    summary: 'Start an action on many objects',
    description: `Changes everything that matches now, at most the oldest ${MAX_TARGET_COUNT} objects, asynchronously: 500 per transaction, each with its record in the audit. What matches later is no part of the action. Any API process continues the action of one that has died, and each object is handled once. ${WHAT_MATCHES}`,
    body: actionBody,
    status: 202,
    statusDescription: 'The action is committed and will be worked',
    replySchema: actions.schema,
    replyExample: { ...actions.example, done_count: 0, worked_at: null },
    replyHeaders: { Location: 'Path of the action' },
    errors: [new UnexpectedCount(9_412, 9_413)],
    change: async (tx, { path: at, body: { kind, filter, expected_count }, operator }) => {
      checkFilter(kind, filter)
      const actionId = await startAction(tx, { kind, filter, expected_count }, operator)
      return { body: await readAction(tx, actionId), headers: { Location: `${at}/${actionId}` } }
    },
    committed: operations => operations.wake(),
  })

const listRoute = (options: OpsRoutesOptions) =>
  opsList(options, {
    path,
    operationId: 'listOpsActions',
    summary: 'List actions',
    description: `Returns actions, newest first. ${paging}`,
    statusDescription: 'A page of actions',
    query: z.strictObject(paginationFields),
    rows: actions,
    read: (_, after, count) => ({
      sql: `
        select ${actions.columns}, array[action_id::text] as position
        from ops.actions
        where action_id < $1::uuid
        order by action_id desc
        limit $2`,
      values: [after?.[0] ?? MAX_UUID, count],
    }),
  })

const getRoute = ({ database }: OpsRoutesOptions) =>
  opsRoute({
    path: `${path}/{action_id}`,
    operationId: 'getOpsAction',
    summary: 'Get an action',
    description: 'Returns the progress of an action and, when it has ended, its result.',
    params,
    resource: 'action',
    statusDescription: 'The action',
    replySchema: actions.schema,
    replyExample: actions.example,
    errors: ['action-not-found'],
    handle: async ({ params: { action_id } }) => ({ body: await readAction(database, action_id) }),
  })

const cancelRoute = (options: OpsRoutesOptions) =>
  opsChange(options, {
    path: `${path}/{action_id}/cancel`,
    operationId: 'cancelOpsAction',
    summary: 'Cancel an action',
    description:
      'Ends an action after the transaction that is in progress. What it has changed stays changed. An action that has ended stays as it is.',
    params,
    resource: 'action',
    body: changeBody,
    status: 200,
    statusDescription: 'The action, which has ended',
    replySchema: actions.schema,
    replyExample: {
      ...actions.example,
      status: 'CANCELLED',
      ended_at: actions.example.created_at,
      result: 'Cancelled when 500 of 9412 were handled',
    },
    errors: ['action-not-found'],
    change: async (tx, { params: { action_id }, operator }) => {
      await cancelAction(tx, action_id, operator)
      return { body: await readAction(tx, action_id) }
    },
  })

async function readAction(sql: Sql, actionId: string): Promise<ActionReply> {
  const [row] = await sql.query<Record<string, unknown>>(
    `select ${actions.columns} from ops.actions where action_id = $1`,
    [actionId],
  )
  if (!row) throw new NotFound('action', actionId)
  return actions.present(row)
}
