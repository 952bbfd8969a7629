import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { MethodNotImplemented } from '../../platform/errors.ts'
import { newId } from '../../platform/ids.ts'
import { OTHER_METHOD } from '../methods.ts'
import { type ExemplifiedCode, problemOf } from '../problem.ts'
import { problems } from '../problem-catalogue.ts'
import type { ProblemCode } from '../problem-entry.ts'
import { corsHeadersOf } from './cors.ts'
import type { HttpMetrics } from './metrics.ts'

export interface ClientErrorOptions {
  /** path of the public URL; by default none */
  basePath?: string
  /** origins whose pages may read the responses; by default none */
  corsOrigins?: readonly string[]
  metrics?: HttpMetrics
}

/** An error of Node's HTTP parser. */
interface ClientError extends Error {
  code?: string
  /** the packet that the parser has rejected, and the number of its bytes that it has accepted */
  rawPacket?: Buffer
  bytesParsed?: number
}

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
export function answerClientError(error: ClientError, socket: Duplex, options: ClientErrorOptions): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const { rawPacket, bytesParsed = 0 } = error
  const packet = rawPacket?.toString('latin1') ?? ''
  const method = METHOD_ERRORS.has(error.code ?? '') ? methodAt(packet, bytesParsed) : undefined
  if (method !== undefined) reject(socket, notImplemented(method), options, packet)
  else reject(socket, rejections[error.code ?? ''] ?? notHttp, options, packet)
}

/** Answers CONNECT, which Node does not pass to the application. */
export function answerConnect(socket: Duplex, options: ClientErrorOptions): void {
  reject(socket, notImplemented('CONNECT'), options, '')
}

/** The parser rejects methods that it does not know, and those of other protocols. */
const METHOD_ERRORS = new Set(['HPE_INVALID_METHOD', 'HPE_INVALID_CONSTANT'])
const REQUEST_LINE = /^([!#$%&'*+.^_`|~\w-]+) [^ \r\n]+ HTTP\/1\.[01]\r?\n/

/** Returns the method of the request line at this byte, or undefined when it is not HTTP/1.x. */
function methodAt(packet: string, byte: number): string | undefined {
  const start = byte === 0 ? 0 : packet.lastIndexOf('\n', byte - 1) + 1
  return REQUEST_LINE.exec(packet.slice(start))?.[1]
}

function notImplemented(method: string): Rejection {
  const { code, message } = new MethodNotImplemented(method)
  return { code, detail: message }
}

function reject(
  socket: Duplex,
  { code, detail }: Rejection,
  { basePath, corsOrigins = [], metrics }: ClientErrorOptions,
  packet: string,
): void {
  const problem = problemOf(code, detail, newId(), {}, basePath)
  const body = JSON.stringify(problem)
  metrics?.record(OTHER_METHOD, 'none', problem.status, 0)
  socket.end(
    [
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
      'Content-Type: application/problem+json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      `X-Request-Id: ${problem.request_id}`,
      ...corsHeadersOf(corsOrigins, packet),
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  )
}
