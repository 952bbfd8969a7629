import type { ServerResponse } from 'node:http'
import { Connection, createEventBuffer } from 'better-sse'
import type { EventStream } from '../route-reply.ts'

/** Unread bytes per client. A client with more is disconnected and can reconnect. */
const MAX_BACKLOG_BYTES = 256 * 1024
/** Characters per write while a reconnected client catches up. */
const PIECE_LENGTH = 32 * 1024
/**
 * Reconnection delay that clients are given, with jitter so that they do not all return at once.
 */
const RETRY_MIN_MS = 500
const RETRY_SPREAD_MS = 2_000

const { Connection: _, ...headers } = Connection.constants.RESPONSE_HEADERS

/** The headers of a stream. Node sets `Connection`. */
export const streamHeaders: Readonly<Record<string, string>> = headers

/**
 * Renders an event.
 * @param id undefined: the event is part of a whole that clients cannot resume within
 * @param data one line of JSON
 */
export function frameOf(event: string, id: string | undefined, data: string): string {
  const frame = createEventBuffer({ serializer: String }).event(event)
  return (id === undefined ? frame : frame.id(id)).data(data).dispatch().read()
}

/**
 * One client's stream of server-sent events. better-sse renders the format. Its sessions are not
 * used, because they write without regard to the unread bytes.
 */
export class SseStream implements EventStream {
  readonly #response: ServerResponse
  readonly #onDropped: () => void
  #sentAt = 0
  /**
   * Returns the resume token if the client has to reconnect now; undefined: the id of its last
   * event.
   */
  resumePoint: (() => string) | undefined

  /** @param onDropped called before a client that reads too slowly is disconnected */
  constructor(response: ServerResponse, onDropped: () => void) {
    this.#response = response
    this.#onDropped = onDropped
  }

  get isOpen(): boolean {
    return !this.#response.destroyed && !this.#response.writableEnded
  }

  /** Time of the last write, by `performance.now`. */
  get sentAt(): number {
    return this.#sentAt
  }

  /** Sends the headers and the reconnection delay. */
  begin(): void {
    // No request can follow on this connection.
    this.#response.shouldKeepAlive = false
    this.#response.writeHead(200, streamHeaders)
    this.#response.socket?.setNoDelay(true)
    const retry = RETRY_MIN_MS + Math.floor(Math.random() * RETRY_SPREAD_MS)
    this.send(createEventBuffer().retry(retry).dispatch().read())
  }

  /** Sends frames at once. A client that does not read is disconnected. */
  send(frames: string): void {
    if (!this.isOpen) return
    this.#response.write(frames)
    this.#sentAt = performance.now()
    if (this.#response.writableLength > MAX_BACKLOG_BYTES) this.#drop()
  }

  /** Sends any number of frames, no faster than the client reads them. */
  async sendAll(frames: readonly string[]): Promise<void> {
    let gone = () => undefined as void
    const closed = new Promise<void>(done => (gone = done))
    this.#response.once('close', gone)
    for (let piece = '', index = 0; index < frames.length && this.isOpen; index++) {
      piece += frames[index]
      if (piece.length < PIECE_LENGTH && index < frames.length - 1) continue
      const written = new Promise<void>(done => this.#response.write(piece, () => done()))
      this.#sentAt = performance.now()
      piece = ''
      await Promise.race([written, closed])
    }
    this.#response.off('close', gone)
  }

  /** Sends a comment: the client has received everything that was committed when it connected. */
  markCaughtUp(): void {
    this.send(createEventBuffer().comment('caught up').dispatch().read())
  }

  /**
   * Sends a heartbeat, so that proxies do not close the idle connection. A client that has not read
   * the previous data yet is disconnected.
   */
  beat(): void {
    if (this.isOpen && this.#response.writableNeedDrain) return this.#drop()
    const beat = createEventBuffer().comment('heartbeat')
    const id = this.resumePoint?.()
    this.send((id === undefined ? beat : beat.id(id)).dispatch().read())
  }

  /** Calls `closed` when the connection is closed, or at once if it is already. */
  onClose(closed: () => void): void {
    if (this.#response.closed) closed()
    else this.#response.once('close', closed)
  }

  end(): void {
    if (this.isOpen) this.#response.end()
  }

  #drop(): void {
    this.#onDropped()
    this.#response.destroy()
  }
}
