import { z } from 'zod'
import type { Tx } from '../../db/transaction.ts'
import { withIdempotency } from '../../http/idempotency.ts'
import { expectedError } from '../../http/problem.ts'
import { type Route, type RouteSpec, route } from '../../http/route.ts'
import type { RouteReply } from '../../http/route-reply.ts'
import { optional, text } from '../../http/schema-fields.ts'
import { type Caller, requireUnrestricted } from '../../platform/caller.ts'
import { ValidationFailed } from '../../platform/errors.ts'
import type { Operator } from '../actions/audit.ts'
import type { Operations } from '../actions/operations.ts'
import { type OpsRoutesOptions, WHAT } from './ops-route.ts'

/** Fields of the body of every change. */
export const changeFields = {
  reason: text(
    500,
    { description: 'Why the change is made, for the audit', example: 'the supplier recounts' },
    'several lines',
  ),
  actor: optional(
    text(100, {
      description:
        'Who makes the change, for the audit. Required without authentication; otherwise ignored, since the name of the key or the subject of the token is recorded',
      example: 'ada',
    }),
  ),
}

export const changeBody = z.strictObject(changeFields).meta({
  id: 'OpsChange',
  description: 'Who makes a change, and why',
})

type ChangeBody = z.infer<typeof changeBody>

interface PostSpec<Params, Body, Reply>
  extends Omit<RouteSpec<Params, unknown, Body, Reply>, 'method' | 'scope' | 'tag' | 'query' | 'handle'> {
  /** Runs in one transaction. */
  handle: (
    tx: Tx,
    request: { params: Params; path: string; body: Body; caller: Caller; operations: Operations },
  ) => Promise<RouteReply<Reply>>
  /** runs after the commit */
  committed?: (operations: Operations) => void
}

interface ChangeSpec<Params, Body extends ChangeBody, Reply>
  extends Omit<PostSpec<Params, Body, Reply>, 'handle'> {
  /** Makes the change, with its audit record, in one transaction. */
  change: (
    tx: Tx,
    request: { params: Params; path: string; body: Body; operator: Operator; operations: Operations },
  ) => Promise<RouteReply<Reply>>
}

/** A change by an operator, with its audit. */
export function opsChange<Params, Body extends ChangeBody, Reply>(
  options: OpsRoutesOptions,
  { change, ...spec }: ChangeSpec<Params, Body, Reply>,
): Route {
  return opsPost<Params, Body, Reply>(options, {
    ...spec,
    errors: [noReason, ...spec.errors],
    handle: async (tx, { caller, ...request }) =>
      await change(tx, { ...request, operator: operatorOf(caller, request.body) }),
  })
}

/**
 * An operation with the database of operators' changes: scope `ops:write`, and no restriction to
 * certain restaurants.
 */
export function opsPost<Params, Body, Reply>(
  { operations: available }: OpsRoutesOptions,
  { handle, committed, ...spec }: PostSpec<Params, Body, Reply>,
): Route {
  return route<Params, unknown, Body, Reply>({
    ...spec,
    method: 'post',
    scope: 'ops:write',
    tag: 'Operations',
    handle: async ({ params, path, body, caller, idempotency }) => {
      requireUnrestricted(caller, WHAT)
      const operations = requireOperations(available)
      const reply = await withIdempotency(operations.database, idempotency, spec.status, tx =>
        handle(tx, { params, path, body, caller, operations }),
      )
      committed?.(operations)
      return reply
    },
  })
}

const noReason = new ValidationFailed([{ pointer: '/reason', detail: 'is required' }])

/** @throws operations-unavailable when this API makes no changes */
export function requireOperations(operations: Operations | undefined): Operations {
  if (operations) return operations
  throw expectedError('operations-unavailable')
}

/** @throws ValidationFailed when the body names no actor */
function operatorOf({ name }: Caller, { actor, reason }: ChangeBody): Operator {
  const who = name ?? actor
  if (who === undefined)
    throw new ValidationFailed([{ pointer: '/actor', detail: 'is required without authentication' }])
  return { actor: who, reason }
}
