import { createServer, type RequestListener, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { MAX_HEADER_BYTES } from '../limits.ts'
import { answerClientError, answerConnect, type ClientErrorOptions } from './client-error.ts'

/** Limits on time and size per connection. */
export interface ServerLimits {
  /** time until all headers have arrived */
  headersTimeoutMs: number
  /** time until the whole request has arrived; afterwards the connection is closed */
  requestTimeoutMs: number
  /**
   * A client that reads nothing for this long is disconnected, at the latest after twice the time.
   */
  answerTimeoutMs: number
  /** interval of the checks, by which a timeout may be exceeded */
  checkIntervalMs: number
  /** time that an idle connection stays open */
  keepAliveTimeoutMs: number
  /** all headers with the request line */
  maxHeaderBytes: number
  /** open connections; further ones are closed at once */
  maxConnectionCount: number
}

/** Clients that send slowly or do not read are disconnected within 15 s. */
export const serverLimits: ServerLimits = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 13_000,
  answerTimeoutMs: 7_000,
  checkIntervalMs: 1_000,
  keepAliveTimeoutMs: 65_000,
  maxHeaderBytes: MAX_HEADER_BYTES,
  maxConnectionCount: 5_000,
}

/**
 * Creates an HTTP server with limits against slow clients. Unparsable requests get a problem
 * document.
 */
export function createHttpServer(
  serve: RequestListener,
  options: ClientErrorOptions = {},
  limits: ServerLimits = serverLimits,
): Server {
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
  server.on('clientError', (error, socket) => answerClientError(error, socket, options))
  server.on('connect', (_, socket) => answerConnect(socket, options))
  return server
}

/**
 * Disconnects a client that does not read its response. Node's own limits only cover requests, so
 * such a client would hold the connection and the response for ever. A socket that is idle because
 * there is nothing to send yet (a slow handler, a silent stream) stays open.
 */
function dropStalled(socket: Socket): void {
  if (socket.writableLength > 0) socket.destroy()
}
