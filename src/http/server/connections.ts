import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * The connections of an HTTP server, and its graceful shutdown. Node's `closeIdleConnections` keeps
 * a connection that has sent nothing or half a header, so that it delays `server.close` until a
 * timeout.
 */
export class Connections {
  readonly #server: Server
  readonly #open = new Set<Socket>()
  /** responses in progress, oldest first */
  readonly #responses = new Set<ServerResponse>()
  #isDraining = false

  constructor(server: Server) {
    this.#server = server
    server.on('connection', (socket: Socket) => {
      this.#open.add(socket)
      socket.once('close', () => this.#open.delete(socket))
    })
    server.prependListener('request', (_request, response: ServerResponse) => {
      this.#responses.add(response)
      response.once('close', () => this.#responses.delete(response))
      if (this.#isDraining) endAfter(response)
    })
  }

  /** Closes each connection after its responses in progress, or after its next response. */
  drain(): void {
    this.#isDraining = true
    for (const response of this.#lastResponses().values()) endAfter(response)
  }

  /**
   * Closes the listening socket and the connections without a response in progress at once, the
   * others after their responses, and what is left after `timeoutMs`.
   */
  async close(timeoutMs: number): Promise<void> {
    this.drain()
    const closed = new Promise<void>(done => this.#server.close(() => done()))
    // Reads the requests that have already arrived: they are answered.
    await new Promise(done => setImmediate(done))
    const busy = this.#lastResponses()
    for (const socket of this.#open) if (!busy.has(socket)) socket.destroy()
    const timer = setTimeout(() => {
      for (const socket of this.#open) socket.destroy()
    }, timeoutMs)
    await closed
    clearTimeout(timer)
  }

  /**
   * Returns the last response in progress of each connection: a client may have sent several
   * requests.
   */
  #lastResponses(): Map<Socket, ServerResponse> {
    return new Map([...this.#responses].map(response => [response.req.socket, response]))
  }
}

function endAfter(response: ServerResponse): void {
  // Sent as `Connection: close`, after which Node closes the connection.
  response.shouldKeepAlive = false
  if (response.headersSent) response.once('close', () => response.req.socket.destroySoon())
}
