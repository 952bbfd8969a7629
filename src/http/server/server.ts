import { createServer, type RequestListener, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { MAX_HEADER_BYTES } from '../limits.ts'
import { answerClientError } from './client-error.ts'

/** What one connection may take, and how long. */
export interface ServerLimits {
  /** the headers have come whole by then */
  headersTimeoutMs: number
  /** the request has come whole by then, or the connection is closed */
  requestTimeoutMs: number
  /** an answer that waits to be read makes some headway by then, or the connection is closed; it may be overrun by as much again */
  answerTimeoutMs: number
  /** how often connections are looked at: a timeout may be overrun by this */
  checkIntervalMs: number
  /** an idle connection is kept this long for the next request */
  keepAliveTimeoutMs: number
  /** bytes of all headers and the path */
  maxHeaderBytes: number
  /** connections at once; the next is closed at once */
  maxConnectionCount: number
}

/** Whoever sends slowly or does not read is dropped within 15 s. */
export const serverLimits: ServerLimits = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 13_000,
  answerTimeoutMs: 7_000,
  checkIntervalMs: 1_000,
  keepAliveTimeoutMs: 65_000,
  maxHeaderBytes: MAX_HEADER_BYTES,
  maxConnectionCount: 5_000,
}

/** An HTTP server that no client can hold up. What its parser refuses is answered with a problem document too. */
export function createHttpServer(serve: RequestListener, limits: ServerLimits = serverLimits): Server {
  const server = createServer(
    {
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: limits.checkIntervalMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      maxHeaderSize: limits.maxHeaderBytes,
      requireHostHeader: false,
    },
    (request, response) => {
      response.setTimeout(limits.answerTimeoutMs)
      response.on('timeout', dropStalled)
      serve(request, response)
    },
  )
  server.maxConnections = limits.maxConnectionCount
  server.on('clientError', answerClientError)
  return server
}

/**
 * Node's own limits are all about requests: without this, who asks and never reads would keep a connection, and what it is
 * owed, for ever. A socket that is quiet because nothing is ready for it (a handler still works, a stream has no news) stays.
 */
function dropStalled(socket: Socket): void {
  if (socket.writableLength > 0) socket.destroy()
}
