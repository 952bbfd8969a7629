import { DatabaseUnavailable, MethodNotImplemented, Overloaded } from '../platform/errors.ts'
import { MAX_HEADER_BYTES } from './limits.ts'
import { exampleOf, soon, WAIT } from './problem-entry.ts'

/** Problems of the server and of requests that no operation serves, a part of the catalogue. */
export const serverProblems = {
  overloaded: {
    status: 503,
    title: 'Overloaded',
    meaning: 'A queue is full. The request was rejected at once; nothing was changed.',
    whatToDo: `${WAIT} with exponential backoff.`,
    ...soon,
    example: exampleOf(new Overloaded('The queue for new orders')),
  },
  'not-ready': {
    status: 503,
    title: 'Not ready',
    meaning:
      'This process is stopping, fails a readiness check, or waits for the migrations of its version; see `checks`.',
    whatToDo: 'Send the request to another process, or retry later.',
    ...soon,
    example: {
      detail: 'migrations: lacks AddMenus1795000000000: run `npm run migrate`',
      fields: { checks: { migrations: 'lacks AddMenus1795000000000: run `npm run migrate`' } },
    },
  },
  'database-unavailable': {
    status: 503,
    title: 'Database unavailable',
    meaning:
      'The database is unreachable, did not answer in time, is read-only, or lacks disk space or memory. The request may have been committed.',
    whatToDo: `${WAIT}. A retry with the same Idempotency-Key is always safe.`,
    ...soon,
    example: exampleOf(new DatabaseUnavailable()),
  },
  'host-not-allowed': {
    status: 421,
    title: 'Host not allowed',
    meaning:
      'The `Host` header names a host that this API does not serve. Without authentication the API checks it, so that web pages cannot reach it by DNS rebinding.',
    whatToDo: 'Use localhost or the host in PUBLIC_URL. An operator can add hosts with ALLOWED_HOSTS.',
  },
  'malformed-request': {
    status: 400,
    title: 'Malformed HTTP request',
    meaning: 'The request is not valid HTTP/1.1, has no Host header, or its path is not UTF-8.',
    whatToDo: 'Check the client and the proxies between it and this server.',
    example: { detail: 'The request is not valid HTTP/1.1' },
  },
  'method-not-implemented': {
    status: 501,
    title: 'Method not implemented',
    meaning: 'The method is none of HTTP (RFC 9110, RFC 5789), or is CONNECT. No path supports it.',
    whatToDo: 'Use a method that /docs lists. Methods are case-sensitive: `GET`, not `get`.',
    example: exampleOf(new MethodNotImplemented('PROPFIND')),
  },
  'request-timeout': {
    status: 408,
    title: 'Request timeout',
    meaning: 'The request did not arrive completely in time. The connection was closed.',
    whatToDo: 'Send it faster, or send less.',
    example: { detail: 'The request did not arrive completely in time' },
  },
  'headers-too-large': {
    status: 431,
    title: 'Headers too large',
    meaning: 'The request line and the headers together have too many bytes.',
    whatToDo: 'Send fewer or shorter headers, cookies included.',
    example: { detail: `The headers may have at most ${MAX_HEADER_BYTES} bytes` },
  },
  internal: {
    status: 500,
    title: 'Internal error',
    meaning: 'The request failed because of a bug in this server.',
    whatToDo: 'Send the `request_id` to the operators: it finds the cause in the log.',
    example: { detail: 'An internal error occurred; the log has the cause under the request id' },
  },
} as const
