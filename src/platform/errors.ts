/**
 * Expected errors: each has a stable code and the fields that a reader needs. The domain throws them and
 * knows no HTTP; `http/problem.ts` maps every code to a status, exhaustively.
 */
export type ErrorCode =
  | 'malformed-request'
  | 'host-not-allowed'
  | 'malformed-json'
  | 'json-too-deep'
  | 'validation-failed'
  | 'query-invalid'
  | 'cursor-invalid'
  | 'unsupported-media-type'
  | 'payload-too-large'
  | 'unauthenticated'
  | 'forbidden'
  | 'auth-unavailable'
  | 'rate-limited'
  | 'too-many-failed-logins'
  | 'path-too-long'
  | 'route-not-found'
  | 'method-not-allowed'
  | 'restaurant-not-found'
  | 'menu-item-not-found'
  | 'order-not-found'
  | 'webhook-not-found'
  | 'delivery-not-found'
  | 'restaurant-inactive'
  | 'inventory-pending'
  | 'idempotency-key-missing'
  | 'idempotency-key-invalid'
  | 'idempotency-key-in-flight'
  | 'idempotency-key-reused'
  | 'illegal-transition'
  | 'stale-version'
  | 'resume-point-invalid'
  | 'too-many-streams'
  | 'overloaded'
  | 'not-ready'
  | 'database-unavailable'

export class ExpectedError extends Error {
  override name = 'ExpectedError'
  readonly code: ErrorCode
  /** Extension members of the problem document: what the error is about. */
  readonly fields: Readonly<Record<string, unknown>>

  constructor(
    code: ErrorCode,
    message: string,
    fields: Record<string, unknown> = {},
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.code = code
    this.fields = fields
  }
}

/** One thing wrong with a body: `pointer` is an RFC 6901 JSON Pointer into it. */
export interface FieldError {
  pointer: string
  detail: string
}

export class ValidationFailed extends ExpectedError {
  override name = 'ValidationFailed'

  constructor(errors: FieldError[]) {
    const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
    super(
      'validation-failed',
      `${errors[0]?.pointer || 'the body'}: ${errors[0]?.detail ?? 'is invalid'}${more}`,
      {
        errors,
      },
    )
  }
}

export type ResourceKind = 'restaurant' | 'menu-item' | 'order' | 'webhook' | 'delivery'

/** Nothing by that id. `kind` is what was looked for. */
export class NotFound extends ExpectedError {
  override name = 'NotFound'

  constructor(kind: ResourceKind, id: string) {
    super(`${kind}-not-found`, `No ${kind.replace('-', ' ')} has the id ${id}`, { id })
  }
}

/** The restaurant takes no orders for now. */
export class RestaurantInactive extends ExpectedError {
  override name = 'RestaurantInactive'

  constructor() {
    super('restaurant-inactive', 'The restaurant takes no orders at the moment')
  }
}

/** What was to be changed has changed meanwhile. */
export class StaleVersion extends ExpectedError {
  override name = 'StaleVersion'

  constructor(what: string, version: number) {
    super(
      'stale-version',
      `The ${what} has changed since: it is at "${version}" now; look at it and decide anew`,
      {
        current_etag: `"${version}"`,
      },
    )
  }
}

/** More came from somewhere than may. */
export class TooManyRequests extends ExpectedError {
  override name = 'TooManyRequests'
  /** until the next may come */
  readonly seconds: number

  constructor(
    code: 'rate-limited' | 'too-many-failed-logins',
    message: string,
    seconds: number,
    fields: Record<string, unknown> = {},
  ) {
    super(code, message, fields)
    this.seconds = seconds
  }
}

/** A bounded queue is full: the caller should come back, not wait. */
export class Overloaded extends ExpectedError {
  override name = 'Overloaded'

  constructor(what: string) {
    super('overloaded', `${what} is full; try again in a moment`)
  }
}

/** The database did not answer in time or at all. Nothing is known to have been changed. */
export class DatabaseUnavailable extends ExpectedError {
  override name = 'DatabaseUnavailable'

  constructor(cause: unknown) {
    super(
      'database-unavailable',
      'The database cannot be reached just now; try again in a moment',
      {},
      { cause },
    )
  }
}
