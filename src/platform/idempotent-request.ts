import { ExpectedError } from './errors.ts'

/** A request with an `Idempotency-Key`, which takes effect at most once. */
export interface IdempotentRequest {
  /** id of the caller; keys of different callers are independent */
  caller: string
  key: string
  /** hash of method, path and body: a different request cannot reuse the key */
  fingerprint: string
}

/**
 * The reply to an idempotent request, as it is stored beside the change and replayed to a repeated
 * request.
 */
export interface StoredReply {
  status: number
  headers: Record<string, string>
  body: unknown
}

/** Another request with the same key is still in progress. */
export class IdempotencyKeyInFlight extends ExpectedError {
  override name = 'IdempotencyKeyInFlight'

  constructor() {
    super(
      'idempotency-key-in-flight',
      'A request with this Idempotency-Key is still in progress; repeat it in a moment to get its reply',
    )
  }
}
