import { z } from 'zod'
import { type ErrorCode, ExpectedError } from '../platform/errors.ts'
import { problems } from './problem-catalogue.ts'
import type { ProblemCode, ProblemEntry, ProblemExample } from './problem-entry.ts'

/** The codes whose catalogue entry has an example. */
export type ExemplifiedCode = {
  [Code in ProblemCode]: (typeof problems)[Code] extends { example: ProblemExample } ? Code : never
}[ProblemCode]

/** Creates an expected error with the texts of its catalogue entry. */
export function expectedError(code: ExemplifiedCode & ErrorCode, options?: ErrorOptions): ExpectedError {
  const { detail, fields = {} }: ProblemExample = problems[code].example
  return new ExpectedError(code, detail, fields, options)
}

/**
 * Returns the fixed `Retry-After` of a problem in seconds, or undefined when it varies or there is
 * none.
 */
export function retryAfterSeconds(code: ProblemCode): number | undefined {
  const { retryAfter }: ProblemEntry = problems[code]
  return typeof retryAfter === 'number' ? retryAfter : undefined
}

export const problemSchema = z
  .looseObject({
    type: z.string().meta({
      description: 'Stable identifier of the kind of problem: the path of its documentation',
      example: '/problems/illegal-transition',
    }),
    title: z.string().meta({ description: 'Short summary of the kind of problem' }),
    status: z.int().meta({ description: 'HTTP status', example: 409 }),
    detail: z.string().meta({ description: 'What went wrong in this request' }),
    code: z.string().meta({ description: 'Last segment of `type`', example: 'illegal-transition' }),
    request_id: z.string().meta({ description: 'Id of the request in the logs' }),
    errors: z
      .array(
        z
          .object({
            pointer: z
              .string()
              .optional()
              .meta({ description: 'JSON Pointer (RFC 6901) into the body', example: '/items/0/quantity' }),
            parameter: z
              .string()
              .optional()
              .meta({ description: 'Name of the query parameter', example: 'limit' }),
            detail: z
              .string()
              .meta({ description: 'What is wrong with the value', example: 'must not be less than 1' }),
            inactive_until: z.iso.datetime().nullable().optional().meta({
              description: 'Of an item that cannot be ordered: when it can be again; null: not known',
              example: '2026-11-23T10:00:00.000Z',
            }),
          })
          .meta({ id: 'ProblemError', description: 'Invalid value of a request' }),
      )
      .optional()
      .meta({ description: 'Every invalid value of the body or the query, at most 100' }),
  })
  .meta({ id: 'Problem', description: 'Problem document (RFC 9457)' })

export type Problem = z.infer<typeof problemSchema>

/**
 * Returns the body of an error response. `detail` and `fields` are sent to the client: they must
 * not contain SQL, stack traces or file paths.
 * @param basePath path of the public URL
 */
export function problemOf(
  code: ProblemCode,
  detail: string,
  requestId: string,
  fields: Readonly<Record<string, unknown>> = {},
  basePath = '',
): Problem {
  const { status, title } = problems[code]
  return {
    type: `${basePath}/problems/${code}`,
    title,
    status,
    detail,
    code,
    request_id: requestId,
    ...fields,
  }
}
