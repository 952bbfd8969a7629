import { ExpectedError } from './errors.ts'

/** A request that carries an `Idempotency-Key`: it takes effect once. */
export interface IdempotentRequest {
  /** the same key of another caller is another key */
  caller: string
  key: string
  /** hash of method, path and body: a different request cannot reuse the key */
  fingerprint: string
}

/** The reply to an idempotent request, as it is stored beside the change and replayed to a repeated request. */
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
