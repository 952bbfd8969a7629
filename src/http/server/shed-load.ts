import type { RequestListener } from 'node:http'
import { Overloaded } from '../../platform/errors.ts'
import { problemOf, retryAfterSeconds } from '../problem.ts'
import type { HttpMetrics } from './metrics.ts'
import { requestIdOf } from './request-id.ts'

/** An operation that is rejected when its queue is full. */
interface Sheddable {
  method: string
  path: string
  /** name of the queue in the error text */
  queue: string
  isFull: () => boolean
}

/**
 * Responds with 503 before the request is authenticated or its body is read when the queue is full.
 * Under a flood, a rejection has to be cheap enough that accepted requests are still processed.
 */
export function shedLoad(
  serve: RequestListener,
  operation: Sheddable,
  metrics: HttpMetrics,
  basePath: string,
): RequestListener {
  const { code, message } = new Overloaded(operation.queue)
  const headers = {
    'Content-Type': 'application/problem+json; charset=utf-8',
    'X-Content-Type-Options': 'nosniff',
    'Retry-After': String(retryAfterSeconds(code)),
  }
  return (request, response) => {
    const { url, method, headers: received } = request
    // Requests of other origins are passed on, because their pages can only read a response with
    // CORS headers.
    if (
      url !== operation.path ||
      method !== operation.method ||
      received.origin !== undefined ||
      !operation.isFull()
    )
      return serve(request, response)
    const problem = problemOf(code, message, requestIdOf(received['x-request-id']), {}, basePath)
    const body = JSON.stringify(problem)
    response.writeHead(problem.status, {
      ...headers,
      'X-Request-Id': problem.request_id,
      'Content-Length': Buffer.byteLength(body),
    })
    response.end(body)
    metrics.record(operation.method, operation.path, problem.status, 0)
  }
}
