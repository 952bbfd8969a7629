import { demoIds } from '../platform/demo-ids.ts'
import { type ErrorCode, type ExpectedError, NotFound, type ResourceKind } from '../platform/errors.ts'

/** The expected errors; a bug; and the requests that Node's HTTP parser rejects. */
export type ProblemCode = ErrorCode | 'internal' | 'headers-too-large' | 'request-timeout'

/** One problem of the catalogue. Backticks in `meaning` and `whatToDo` mark code. */
export interface ProblemEntry {
  status: number
  title: string
  meaning: string
  whatToDo: string
  /**
   * `Retry-After` in seconds, or `per error` when the error has the seconds. Absent: a retry does
   * not help.
   */
  retryAfter?: number | 'per error'
  /** An example of the error. Where its texts never vary, the error is created from it. */
  example?: ProblemExample
}

export interface ProblemExample {
  detail: string
  fields?: Readonly<Record<string, unknown>>
}

/**
 * Returns the catalogue entry of a resource that does not exist. Its example has an id of another
 * kind.
 */
export function notFound(kind: ResourceKind, whatToDo: string) {
  const name = kind.replace('-', ' ')
  return {
    status: 404,
    title: `Not found: ${name}`,
    meaning: `The ${name} does not exist, or you have no access to it.`,
    whatToDo,
    example: exampleOf(new NotFound(kind, kind === 'order' ? demoIds.restaurant : demoIds.order)),
  } as const
}

export function exampleOf({ message, fields }: ExpectedError): ProblemExample {
  return { detail: message, fields }
}

/** `Retry-After` of problems that pass within a second. */
export const soon = { retryAfter: 1 } as const

export const WAIT = 'Wait for the seconds in `Retry-After`, then retry'
