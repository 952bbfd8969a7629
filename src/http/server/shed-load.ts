import type { RequestListener } from 'node:http'
import { Overloaded } from '../../platform/errors.ts'
import { problemOf, retryAfterSeconds } from '../problem.ts'
import type { HttpMetrics } from './metrics.ts'
import { requestIdOf } from './request-id.ts'

/** One call that there may be too many of. */
interface Sheddable {
  method: string
  path: string
  /** what is full then, for the person who reads it */
  queue: string
  isFull: () => boolean
}

/**
 * Answers what there is no room for with 503 before anything of it is looked at or its body is read: under a flood, refusing
 * must cost so little that what was accepted still gets done.
 */
export function shedLoad(serve: RequestListener, call: Sheddable, metrics: HttpMetrics): RequestListener {
  const { code, message } = new Overloaded(call.queue)
  const headers = {
    'Content-Type': 'application/problem+json; charset=utf-8',
    'X-Content-Type-Options': 'nosniff',
    'Retry-After': String(retryAfterSeconds(code)),
  }
  return (request, response) => {
    const { url, method, headers: given } = request
    // A page of another origin could not read an answer without the headers that it gets inside.
    if (url !== call.path || method !== call.method || given.origin !== undefined || !call.isFull())
      return serve(request, response)
    const problem = problemOf(code, message, requestIdOf(given['x-request-id']))
    const body = JSON.stringify(problem)
    response.writeHead(problem.status, {
      ...headers,
      'X-Request-Id': problem.request_id,
      'Content-Length': Buffer.byteLength(body),
    })
    response.end(body)
    metrics.record(call.method, call.path, problem.status, 0)
  }
}
