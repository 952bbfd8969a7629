import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { newId } from '../../platform/ids.ts'
import { type ExemplifiedCode, problemOf } from '../problem.ts'
import { problems } from '../problem-catalogue.ts'
import type { ProblemCode } from '../problem-entry.ts'

interface Rejection {
  code: ProblemCode
  detail: string
}

/** By error code of Node's HTTP parser. Such requests never reach the application. */
const rejections: Record<string, Rejection> = {
  HPE_HEADER_OVERFLOW: rejection('headers-too-large'),
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    code: 'payload-too-large',
    detail: 'The chunk extensions of the body are too large',
  },
  ERR_HTTP_REQUEST_TIMEOUT: rejection('request-timeout'),
}

const notHttp = rejection('malformed-request')

function rejection(code: ExemplifiedCode): Rejection {
  return { code, detail: problems[code].example.detail }
}

/**
 * Answers a request that Node's HTTP parser rejected with a problem document, and closes the
 * connection.
 */
export function answerClientError(error: NodeJS.ErrnoException, socket: Duplex, basePath: string): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const { code, detail } = rejections[error.code ?? ''] ?? notHttp
  const problem = problemOf(code, detail, newId(), {}, basePath)
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
