import { z } from 'zod'
import { id, inputTime, optional, text, wholeNumber } from '../../http/schema-fields.ts'
import { demoIds } from '../../platform/demo-ids.ts'
import { type FieldError, ValidationFailed } from '../../platform/errors.ts'
import {
  type ActionFilter,
  type ActionKindName,
  actionKindNames,
  kindOf,
  MAX_TARGET_COUNT,
} from '../actions/action-kinds.ts'
import { viewNamed } from '../refresh-views.ts'
import { changeFields } from './ops-change.ts'
import { id as idField, integer, json, orNull, rowsOf, text as textField, time } from './view-rows.ts'

/** Request and response schemas of actions on many objects. */

const DEAD_LETTER = '019a0000-0000-7000-8000-00000000d001'
const AT = '2026-11-22T18:30:00.000Z'

const kind = z
  .enum(actionKindNames, { error: `must be one of ${actionKindNames.join(', ')}` })
  .meta({ id: 'OpsActionKind', description: 'What is done, and to what', example: 'dead-letters.redrive' })

const part = (description: string, example: string) => optional(text(200, { description, example }))

const filter = z
  .strictObject(
    {
      id: optional(id('dead letter or quarantined event, to select only this one', DEAD_LETTER)),
      queue: part('Name of the queue: of dead letters, and required for jobs', 'inventory.deduct'),
      type: part('Type of the event', 'order.placed.v1'),
      error: part('Text that the error contains, in any case: not of deliveries', 'timeout'),
      since: optional(
        inputTime.meta({
          description:
            'Only at or after this time: of death, of the quarantine, at which the job was due, or at which the delivery was created, where it is required',
          example: '2026-01-01T00:00:00Z',
        }),
      ),
      until: optional(
        inputTime.meta({ description: 'Only before this time', example: '2099-01-01T00:00:00Z' }),
      ),
      state: part(
        'State of jobs (retry, failed) or deliveries (PENDING, DELIVERED, DEAD, DISCARDED)',
        'failed',
      ),
      webhook_id: optional(id('webhook, of deliveries only, where it is required', demoIds.webhook)),
    },
    { error: 'must be an object' },
  )
  .meta({ id: 'OpsActionFilter', description: 'Selects objects by all of the given fields' })

/** Every field, of the kind to which most apply. */
const JOBS_EXAMPLE = {
  id: null,
  queue: 'inventory.deduct',
  type: 'order.placed.v1',
  error: 'timeout',
  since: '2026-01-01T00:00:00Z',
  until: '2099-01-01T00:00:00Z',
  state: 'failed',
  webhook_id: null,
}

const FILTER_EXAMPLE = { queue: 'inventory.deduct', error: 'timeout' }

export const previewBody = z.strictObject({ kind, filter }).meta({
  id: 'OpsActionPreview',
  description: 'An action to be previewed',
  example: { kind: 'jobs.retry', filter: JOBS_EXAMPLE },
})

export const actionBody = z
  .strictObject({
    kind,
    filter,
    ...changeFields,
    expected_count: optional(
      wholeNumber(0, MAX_TARGET_COUNT).meta({
        description: 'The count of the preview: the action is refused if another number matches now',
        example: 0,
      }),
    ),
  })
  .meta({
    id: 'OpsNewAction',
    description: 'A new action',
    example: {
      kind: 'jobs.retry',
      filter: JOBS_EXAMPLE,
      reason: 'the lock is gone',
      actor: 'ada',
      expected_count: 0,
    },
  })

/** Validates the filter of a kind. @throws ValidationFailed */
export function checkFilter(name: ActionKindName, given: ActionFilter): void {
  const { fields, required, states } = kindOf(name)
  const present = Object.keys(given).filter(field => given[field as keyof ActionFilter] !== undefined)
  const errors: FieldError[] = [
    ...present
      .filter(field => !fields.some(each => each === field))
      .map(field => ({ pointer: `/filter/${field}`, detail: `does not apply to ${name}` })),
    ...required
      .filter(field => !present.includes(field))
      .map(field => ({ pointer: `/filter/${field}`, detail: `is required for ${name}` })),
  ]
  if (given.state !== undefined && states && !states.includes(given.state))
    errors.push({ pointer: '/filter/state', detail: `must be one of ${states.join(', ')}` })
  if (errors.length > 0) throw new ValidationFailed(errors)
}

const nullableText = (description: string, example: string | null) =>
  z.string().nullable().meta({ description, example })

export const previewReply = z
  .object({
    count: z.int().meta({
      description: `Objects that match; ${MAX_TARGET_COUNT} means as many or more, of which an action has the oldest`,
      example: 9_412,
    }),
    by: z
      .array(
        z
          .object({
            queue: nullableText('Queue of the objects', 'inventory.deduct'),
            event_type: nullableText('Type of their events', 'order.placed.v1'),
            error: nullableText('Their error', 'canceling statement due to lock timeout'),
            state: nullableText('State of jobs and deliveries', null),
            count: z.int().meta({ description: 'Number of the objects', example: 9_412 }),
          })
          .meta({ id: 'OpsMatchGroup', description: 'Objects that match and are alike' }),
      )
      .meta({ description: 'The largest groups, at most 50' }),
  })
  .meta({ id: 'OpsActionMatches', description: 'What an action would change' })

export type PreviewReply = z.infer<typeof previewReply>

export const actions = rowsOf('OpsAction', viewNamed('actions'), {
  action_id: idField(demoIds.action),
  kind: textField('dead-letters.redrive'),
  filter: json(FILTER_EXAMPLE),
  status: textField('RUNNING'),
  matched_count: integer(9_412),
  done_count: integer(500),
  failed_count: integer(0),
  skipped_count: integer(0),
  failures: json({}),
  created_at: time(AT),
  created_by: textField('ada'),
  reason: textField('the lock is gone'),
  worked_at: orNull(time(AT)),
  error: { ...orNull(textField('')), example: null },
  ended_at: { ...orNull(time(AT)), example: null },
  result: { ...orNull(textField('')), example: null },
})

export type ActionReply = (typeof actions)['example']
