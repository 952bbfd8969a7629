import { demoIds } from '../platform/demo-ids.ts'
import {
  ClientReferenceReused,
  PreconditionFailed,
  QueryInvalid,
  RateLimited,
  RestaurantInactive,
  SlotNotServed,
  StaleVersion,
  StockShort,
  TooManyFailedLogins,
  TooManySecrets,
  TooManyStreams,
  TrackingLinkExpired,
} from '../platform/errors.ts'
import { IdempotencyKeyInFlight } from '../platform/idempotent-request.ts'
import { slotOf } from '../platform/slots.ts'
import { MAX_BODY_BYTES, MAX_JSON_DEPTH, MAX_KEY_LENGTH, MAX_URL_LENGTH } from './limits.ts'
import { operatorProblems } from './operator-problems.ts'
import { exampleOf, notFound, type ProblemCode, type ProblemEntry, soon, WAIT } from './problem-entry.ts'
import { serverProblems } from './server-problems.ts'

/**
 * Every problem of the API (RFC 9457). The problem bodies, the error responses of the OpenAPI
 * document and the pages under `/problems` are made from this table.
 */
export const problems = {
  'malformed-json': {
    status: 400,
    title: 'Malformed JSON',
    meaning: 'The body is missing, truncated, or not a single JSON value in UTF-8.',
    whatToDo: 'Check that the request has a body, and check its quotes, commas and brackets.',
    example: { detail: 'The body is not a single JSON value in UTF-8; check quotes, commas and brackets' },
  },
  'json-too-deep': {
    status: 422,
    title: 'JSON nested too deeply',
    meaning: 'The lists and objects of the body are nested deeper than `limit_depth` levels.',
    whatToDo: 'Send a body that matches the schema in /docs. No operation needs more than a few levels.',
    example: {
      detail: `Lists and objects may be nested at most ${MAX_JSON_DEPTH} levels deep`,
      fields: { limit_depth: MAX_JSON_DEPTH },
    },
  },
  'validation-failed': {
    status: 422,
    title: 'Validation failed',
    meaning: 'The body is valid JSON, but some of its values are invalid. Nothing was changed.',
    whatToDo: '`errors` lists every invalid value with a JSON Pointer into the body. Correct them.',
  },
  'query-invalid': {
    status: 400,
    title: 'Invalid query parameters',
    meaning: 'A query parameter is unknown, repeated, not UTF-8, or has an invalid value.',
    whatToDo: '`errors` lists every invalid parameter; /docs describes the parameters of each operation.',
    example: exampleOf(
      new QueryInvalid([{ parameter: 'limit', detail: 'must be a whole number from 1 to 100' }]),
    ),
  },
  'cursor-invalid': {
    status: 400,
    title: 'Invalid cursor',
    meaning: 'The cursor was not issued by this list, or was issued for other filters.',
    whatToDo: 'Follow the `Link` headers unchanged, or start again without a cursor.',
    example: {
      detail: 'The cursor was not issued by this list; start again without one and follow the Link headers',
    },
  },
  'unsupported-media-type': {
    status: 415,
    title: 'Unsupported media type',
    meaning: 'The content type, character set or content encoding of the body is not supported.',
    whatToDo:
      'Send application/json in UTF-8, or for PATCH application/merge-patch+json, without a Content-Encoding.',
    example: { detail: 'Send the body as application/json in UTF-8' },
  },
  'payload-too-large': {
    status: 413,
    title: 'Payload too large',
    meaning: 'The body is longer than `limit_bytes`.',
    whatToDo: 'Split the content over several requests.',
    example: {
      detail: `A body may have at most ${MAX_BODY_BYTES} bytes`,
      fields: { limit_bytes: MAX_BODY_BYTES },
    },
  },
  unauthenticated: {
    status: 401,
    title: 'Authentication required',
    meaning: 'The request has no token, or its token is invalid, expired, revoked or meant for another API.',
    whatToDo: 'Send a valid token as `Authorization: Bearer …`. Tokens in the path or query are ignored.',
    example: { detail: 'Send an `Authorization: Bearer …` header' },
  },
  forbidden: {
    status: 403,
    title: 'Forbidden',
    meaning: 'The token lacks the scope in `required_scope`, or is restricted to certain restaurants.',
    whatToDo: 'Ask the issuer of the token for one with that scope or without that restriction.',
  },
  'auth-unavailable': {
    status: 503,
    title: 'Authentication unavailable',
    meaning: 'The keys that verify the token cannot be fetched from its issuer. The token may be valid.',
    whatToDo: `${WAIT}.`,
    ...soon,
    example: { detail: 'The keys of the token issuer cannot be fetched' },
  },
  'rate-limited': {
    status: 429,
    title: 'Rate limit exceeded',
    meaning: 'You have sent more requests than `limit_count` per `window_seconds`. Nothing was changed.',
    whatToDo: `${WAIT}. The \`RateLimit\` header of every response has the remaining number.`,
    retryAfter: 'per error',
    example: exampleOf(new RateLimited(6_000, 60, 12)),
  },
  'too-many-failed-logins': {
    status: 429,
    title: 'Too many failed logins',
    meaning:
      'Your address has sent too many invalid tokens within a minute. Until the minute is over, tokens that have not been accepted before are rejected without being checked, valid or not.',
    whatToDo: `Find the client that sends an expired or revoked token. ${WAIT}.`,
    retryAfter: 'per error',
    example: exampleOf(new TooManyFailedLogins(42)),
  },
  'path-too-long': {
    status: 414,
    title: 'URL too long',
    meaning: 'The path and query together have too many characters.',
    whatToDo: 'Shorten the query, and follow `Link` headers unchanged.',
    example: { detail: `A path with its query may have at most ${MAX_URL_LENGTH} characters` },
  },
  'route-not-found': {
    status: 404,
    title: 'Not found: route',
    meaning: 'The API has no operation or page at this path.',
    whatToDo: 'Check the path; /docs lists all of them.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'Method not allowed',
    meaning: 'The path exists, but does not support the method.',
    whatToDo: 'Use a method from the `Allow` header.',
  },
  'restaurant-not-found': notFound(
    'restaurant',
    'Check the id. GET /api/v1/restaurants lists the restaurants that you have access to.',
  ),
  'menu-item-not-found': notFound(
    'menu-item',
    'Check the id. GET /api/v1/restaurants/{restaurant_id}/menu lists a menu.',
  ),
  'order-not-found': notFound(
    'order',
    'Check the id. The response that accepted the order has the id in its body and in `Location`.',
  ),
  'tracking-link-invalid': {
    status: 403,
    title: 'Invalid tracking link',
    meaning: 'The `Tracking-Token` is missing, or is not the token of this order.',
    whatToDo: 'Open the link from the original message again; its part after `#t=` is the token.',
    example: {
      detail:
        'This link is incomplete or wrong; open it again from the message that has it, or ask the restaurant',
    },
  },
  'tracking-link-expired': {
    status: 410,
    title: 'Expired tracking link',
    meaning: 'The order ended more than 24 hours ago.',
    whatToDo: 'Ask the restaurant about the order. GET /api/v1/orders/{order_id} still shows it.',
    example: exampleOf(new TrackingLinkExpired()),
  },
  'webhook-not-found': notFound(
    'webhook',
    'Check the id. GET /api/v1/webhooks lists the webhooks that you have access to; a deleted one is gone.',
  ),
  'too-many-secrets': {
    status: 409,
    title: 'Too many secrets',
    meaning: 'The webhook has `limit_count` valid secrets, because it was rotated often within 24 hours.',
    whatToDo: 'Retry after `expires_at`, when the oldest secret expires.',
    example: exampleOf(new TooManySecrets(5, new Date('2026-11-23T18:00:00.000Z'))),
  },
  'delivery-not-found': notFound(
    'delivery',
    "Check both ids against the webhook's `/deliveries`. By default, deliveries are deleted after 30 days.",
  ),
  ...operatorProblems,
  'restaurant-inactive': {
    status: 409,
    title: 'Restaurant inactive',
    meaning:
      'The restaurant does not accept orders until `inactive_until`, or until further notice if that is null.',
    whatToDo: 'Retry when it is active. PATCH /api/v1/restaurants/{restaurant_id} activates it.',
    example: exampleOf(new RestaurantInactive(new Date('2026-11-22T19:00:00.000Z'))),
  },
  'slot-not-served': {
    status: 421,
    title: 'Slot not served',
    meaning:
      'The restaurant, order or menu item belongs to another cell: this API does not serve its `slot`.',
    whatToDo: 'Send the request to the public address of the API. If you did, report it to its operators.',
    example: exampleOf(new SlotNotServed(demoIds.order, slotOf(demoIds.order))),
  },
  'stock-short': {
    status: 409,
    title: 'Stock too short',
    meaning: 'The adjustment removes more portions than the `available_qty` in stock.',
    whatToDo: 'Adjust by at most the portions in stock. Orders may have taken some since you counted.',
    example: exampleOf(new StockShort(3, -5)),
  },
  'inventory-pending': {
    status: 409,
    title: 'Stock deduction pending',
    meaning: 'The order is PLACED. Only the system makes it PREPARING, when its stock is deducted.',
    whatToDo: 'Fetch the order again shortly. If stock is insufficient, it becomes CANCELLED instead.',
  },
  'idempotency-key-missing': {
    status: 400,
    title: 'Idempotency key required',
    meaning: 'This API is configured to require an Idempotency-Key on every POST, PUT, PATCH and DELETE.',
    whatToDo: 'Generate a key per request, such as a UUID, and send the same key when you retry the request.',
    example: {
      detail: 'This operation requires an Idempotency-Key header, so that it can be retried safely',
    },
  },
  'idempotency-key-invalid': {
    status: 400,
    title: 'Invalid idempotency key',
    meaning: 'The Idempotency-Key is empty, too long, repeated, or has blanks or non-ASCII characters.',
    whatToDo: `Use 1 to ${MAX_KEY_LENGTH} visible ASCII characters, such as a UUID.`,
    example: {
      detail: `An Idempotency-Key has 1 to ${MAX_KEY_LENGTH} visible ASCII characters and is sent once`,
    },
  },
  'idempotency-key-in-flight': {
    status: 409,
    title: 'Idempotency key in use',
    meaning: 'A request with this Idempotency-Key is in progress.',
    whatToDo: `${WAIT} the same request: it gets the response of the first one.`,
    ...soon,
    example: exampleOf(new IdempotencyKeyInFlight()),
  },
  'idempotency-key-reused': {
    status: 422,
    title: 'Idempotency key reused',
    meaning: 'This Idempotency-Key was sent before with another method, path or body. Nothing was changed.',
    whatToDo: 'Use a new key for a new request. To repeat the earlier request, send it unchanged.',
    example: { detail: 'This Idempotency-Key belongs to another request; use a new key for a new request' },
  },
  'client-reference-reused': {
    status: 409,
    title: 'Client reference reused',
    meaning: 'The order `order_id` of this restaurant has the `client_reference`, and another body.',
    whatToDo: 'Use a new reference for a new order. To repeat the earlier request, send its body unchanged.',
    example: exampleOf(new ClientReferenceReused(demoIds.order)),
  },
  'illegal-transition': {
    status: 409,
    title: 'Illegal status transition',
    meaning: 'The order cannot change from its current status to the requested one.',
    whatToDo: '`allowed_statuses` lists the possible next statuses. DELIVERED and CANCELLED are final.',
  },
  'order-not-preparing': {
    status: 409,
    title: 'Order not in preparation',
    meaning: 'An order becomes ready, or not ready again, only while it is PREPARING.',
    whatToDo:
      'A PLACED order becomes PREPARING shortly. An order with any other `current_status` has left the kitchen.',
  },
  'too-many-ready-changes': {
    status: 409,
    title: 'Too many ready changes',
    meaning: 'The order was made ready and not ready `limit_count` times. Nothing was changed.',
    whatToDo: 'Move the order on, or cancel it. It can be OUT_FOR_DELIVERY without being ready.',
  },
  'precondition-invalid': {
    status: 400,
    title: 'Invalid precondition',
    meaning: '`If-Match` or `If-None-Match` is neither `*` nor a list of entity tags.',
    whatToDo: 'Send the value of `ETag` unchanged, with its quotes.',
    example: { detail: 'If-Match must be * or a list of entity tags in quotes, like "3" or "3", "4"' },
  },
  'stale-version': {
    status: 412,
    title: 'Stale version',
    meaning: 'The resource has changed: its current version is not one of those in `If-Match`.',
    whatToDo: 'Fetch it again, decide again, and send the request with the new `ETag`.',
    example: exampleOf(new StaleVersion('order', '"3"')),
  },
  'precondition-failed': {
    status: 412,
    title: 'Precondition failed',
    meaning: '`If-None-Match` of a change names the current version, or is `*`. Nothing was changed.',
    whatToDo: 'Send the change without `If-None-Match`. To change only a known version, send `If-Match`.',
    example: exampleOf(new PreconditionFailed('order', '"3"')),
  },
  'resume-point-invalid': {
    status: 400,
    title: 'Invalid Last-Event-ID',
    meaning: 'The `Last-Event-ID` was not issued by this stream.',
    whatToDo:
      'Send the id of the last received event, unchanged, to the same stream. Without the header, the stream begins with a snapshot.',
    example: {
      detail: 'The Last-Event-ID was not issued by this stream; connect without it for a snapshot',
    },
  },
  'too-many-streams': {
    status: 429,
    title: 'Too many open streams',
    meaning: 'You have `limit_count` streams open in the process that answered.',
    whatToDo: 'Close some. One restaurant stream carries the events of all its orders.',
    example: exampleOf(new TooManyStreams(500, 500)),
  },
  ...serverProblems,
} as const satisfies Record<ProblemCode, ProblemEntry>
