import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { newId } from '../../platform/ids.ts'
import { type ProblemCode, problemOf } from '../problem.ts'

/** What Node's parser refuses never reaches the application: by its error code, what to say. */
const refusals: Record<string, [code: ProblemCode, detail: string]> = {
  HPE_HEADER_OVERFLOW: ['headers-too-large', 'The headers have more than 16 kB'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['payload-too-large', 'The chunk extensions of the body are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['request-timeout', 'The request did not come whole in time'],
}

const otherwise: [code: ProblemCode, detail: string] = [
  'malformed-request',
  'This is not a request of HTTP/1.1',
]

/** Answers what is no request with a problem document too, and closes the connection. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [code, detail] = refusals[error.code ?? ''] ?? otherwise
  const problem = problemOf(code, detail, newId())
  const body = JSON.stringify(problem)
  socket.end(
    [
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
      'Content-Type: application/problem+json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      `X-Request-Id: ${problem.request_id}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  )
}
