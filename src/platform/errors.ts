/**
 * Expected errors: each has a stable code and machine-readable fields. The domain throws them and
 * does not know HTTP. `http/problem-catalogue.ts` has an entry for every code; a missing one does
 * not compile.
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
  | 'operations-unavailable'
  | 'rate-limited'
  | 'too-many-failed-logins'
  | 'path-too-long'
  | 'route-not-found'
  | 'method-not-allowed'
  | 'method-not-implemented'
  | 'restaurant-not-found'
  | 'menu-item-not-found'
  | 'order-not-found'
  | 'tracking-link-invalid'
  | 'tracking-link-expired'
  | 'webhook-not-found'
  | 'too-many-secrets'
  | 'delivery-not-found'
  | 'queue-not-found'
  | 'job-not-found'
  | 'action-not-found'
  | 'change-refused'
  | 'unexpected-count'
  | 'restaurant-inactive'
  | 'slot-not-served'
  | 'stock-short'
  | 'inventory-pending'
  | 'idempotency-key-missing'
  | 'idempotency-key-invalid'
  | 'idempotency-key-in-flight'
  | 'idempotency-key-reused'
  | 'client-reference-reused'
  | 'illegal-transition'
  | 'order-not-preparing'
  | 'too-many-ready-changes'
  | 'precondition-invalid'
  | 'stale-version'
  | 'precondition-failed'
  | 'resume-point-invalid'
  | 'too-many-streams'
  | 'overloaded'
  | 'not-ready'
  | 'database-unavailable'

export class ExpectedError extends Error {
  override name = 'ExpectedError'
  readonly code: ErrorCode
  /** Extension members of the problem document (RFC 9457). */
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

/** No path supports the method. */
export class MethodNotImplemented extends ExpectedError {
  override name = 'MethodNotImplemented'

  constructor(method: string) {
    super('method-not-implemented', `The API does not implement the method ${method.slice(0, 100)}`)
  }
}

/** One invalid value of a body. `pointer` is a JSON Pointer (RFC 6901) into the body. */
export interface FieldError {
  pointer: string
  detail: string
  /** of an item that cannot be ordered: when it can be again; null: not known */
  inactive_until?: string | null
}

export class ValidationFailed extends ExpectedError {
  override name = 'ValidationFailed'

  constructor(errors: FieldError[]) {
    const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
    super(
      'validation-failed',
      `${errors[0]?.pointer || 'the body'}: ${errors[0]?.detail ?? 'is invalid'}${more}`,
      { errors },
    )
  }
}

/** One invalid query parameter. */
export interface ParameterError {
  parameter: string
  detail: string
}

export class QueryInvalid extends ExpectedError {
  override name = 'QueryInvalid'

  constructor(errors: ParameterError[]) {
    super('query-invalid', `${errors[0]?.parameter}: ${errors[0]?.detail}`, { errors })
  }
}

export type ResourceKind =
  | 'restaurant'
  | 'menu-item'
  | 'order'
  | 'webhook'
  | 'delivery'
  | 'queue'
  | 'job'
  | 'action'

/** No resource of this kind has the id, or the caller has no access to it. */
export class NotFound extends ExpectedError {
  override name = 'NotFound'

  constructor(kind: ResourceKind, id: string) {
    super(`${kind}-not-found`, `No ${kind.replace('-', ' ')} with id ${id}`, { id })
  }
}

export class RestaurantInactive extends ExpectedError {
  override name = 'RestaurantInactive'

  /** @param until when it accepts orders again; null: not known */
  constructor(until: Date | null) {
    const inactive_until = until?.toISOString() ?? null
    const duration = inactive_until === null ? '' : ` until ${inactive_until}`
    super('restaurant-inactive', `The restaurant is inactive${duration} and does not accept orders`, {
      inactive_until,
    })
  }
}

/** The request names an id of a slot that this API does not serve. */
export class SlotNotServed extends ExpectedError {
  override name = 'SlotNotServed'

  constructor(id: string, slot: string) {
    super('slot-not-served', `This API does not serve slot ${slot}, the slot of ${id}`, { id, slot })
  }
}

/** An adjustment would make the stock of an item negative. */
export class StockShort extends ExpectedError {
  override name = 'StockShort'

  constructor(available_qty: number, quantity: number) {
    super('stock-short', `${available_qty} are in stock: it cannot change by ${quantity}`, { available_qty })
  }
}

/** Another order of the restaurant has the client's reference, and was placed with another body. */
export class ClientReferenceReused extends ExpectedError {
  override name = 'ClientReferenceReused'

  constructor(order_id: string) {
    super('client-reference-reused', `The client_reference belongs to another order, ${order_id}`, {
      order_id,
    })
  }
}

/** `If-Match` does not name the current version. @param etag the current entity tag */
export class StaleVersion extends ExpectedError {
  override name = 'StaleVersion'

  constructor(resource: string, etag: string) {
    super(
      'stale-version',
      `The ${resource} has changed: its current version is ${etag}; fetch it again before you change it`,
      { current_etag: etag },
    )
  }
}

/** `If-None-Match` excludes the current version. @param etag the current entity tag */
export class PreconditionFailed extends ExpectedError {
  override name = 'PreconditionFailed'

  constructor(resource: string, etag: string) {
    super(
      'precondition-failed',
      `The ${resource} exists, and If-None-Match excludes its current version ${etag}`,
      { current_etag: etag },
    )
  }
}

/** The caller's token lacks the scope of the operation. */
export class MissingScope extends ExpectedError {
  override name = 'MissingScope'

  constructor(scope: string) {
    super('forbidden', `This operation requires the scope ${scope}`, { required_scope: scope })
  }
}

/** Without authentication, the scope is for clients of this machine only. */
export class NotLocal extends ExpectedError {
  override name = 'NotLocal'

  constructor(scope: string) {
    super(
      'forbidden',
      `AUTH_MODE is none: only clients on the machine of the API, without a proxy, have the scope ${scope}`,
      { required_scope: scope },
    )
  }
}

/** The state of the object does not permit an operator's change. Nothing was changed. */
export class ChangeRefused extends ExpectedError {
  override name = 'ChangeRefused'

  constructor(why: string) {
    super('change-refused', `Nothing was changed: ${why}`)
  }
}

/** Another number of objects matches than the operator has seen. Nothing was changed. */
export class UnexpectedCount extends ExpectedError {
  override name = 'UnexpectedCount'

  constructor(expected: number, matched_count: number) {
    super('unexpected-count', `${matched_count} match, not ${expected}; preview the action again`, {
      matched_count,
    })
  }
}

/** A limit per minute is exceeded. `seconds` is the time until the next request is accepted. */
export class TooManyRequests extends ExpectedError {
  override name = 'TooManyRequests'
  readonly seconds: number

  constructor(
    code: 'rate-limited' | 'too-many-failed-logins',
    message: string,
    seconds: number,
    fields: Record<string, unknown> = {},
  ) {
    super(code, `${message}; retry in ${seconds} s`, fields)
    this.seconds = seconds
  }
}

export class RateLimited extends TooManyRequests {
  override name = 'RateLimited'

  constructor(limit: number, windowSeconds: number, seconds: number) {
    super('rate-limited', `The limit is ${limit} requests per ${windowSeconds} s`, seconds, {
      limit_count: limit,
      window_seconds: windowSeconds,
    })
  }
}

export class TooManyFailedLogins extends TooManyRequests {
  override name = 'TooManyFailedLogins'

  constructor(seconds: number) {
    super('too-many-failed-logins', 'Too many invalid tokens from your address', seconds)
  }
}

/** The order of a tracking link ended too long ago. */
export class TrackingLinkExpired extends ExpectedError {
  override name = 'TrackingLinkExpired'

  constructor() {
    super(
      'tracking-link-expired',
      'This link has expired, because the order ended more than 24 hours ago; ask the restaurant about the order',
    )
  }
}

/** The caller has as many streams open in this process as one caller may have. */
export class TooManyStreams extends ExpectedError {
  override name = 'TooManyStreams'

  constructor(open: number, limit: number) {
    super('too-many-streams', `You have ${open} open streams; the limit is ${limit}; close one first`, {
      limit_count: limit,
    })
  }
}

/** The webhook has as many valid secrets as a webhook may have. */
export class TooManySecrets extends ExpectedError {
  override name = 'TooManySecrets'

  constructor(limit: number, nextExpiry: Date) {
    const expires_at = nextExpiry.toISOString()
    super(
      'too-many-secrets',
      `The webhook has ${limit} valid secrets; the oldest is valid until ${expires_at}`,
      {
        limit_count: limit,
        expires_at,
      },
    )
  }
}

/** A bounded queue is full. The request is rejected at once and can be retried. */
export class Overloaded extends ExpectedError {
  override name = 'Overloaded'

  constructor(queue: string) {
    super('overloaded', `${queue} is full; retry shortly`)
  }
}

/** The database is unreachable, did not answer in time, or accepts no writes. */
export class DatabaseUnavailable extends ExpectedError {
  override name = 'DatabaseUnavailable'

  constructor(cause?: unknown) {
    super('database-unavailable', 'The database is unavailable; retry shortly', {}, { cause })
  }
}
