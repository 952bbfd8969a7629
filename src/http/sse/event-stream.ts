import type { ServerResponse } from 'node:http'
import { Connection, createEventBuffer } from 'better-sse'
import type { EventStream } from '../route-reply.ts'

/** Bytes that may wait for a client to read them. Whoever lets more pile up is dropped, and may come back. */
const MAX_BACKLOG_BYTES = 256 * 1024
/** What is sent at once while an old client is brought up to date, in characters. */
const PIECE_LENGTH = 32 * 1024
/** A client comes back after this long, each after another time: not all at once. */
const RETRY_MIN_MS = 500
const RETRY_SPREAD_MS = 2_000

/** One event, ready to be sent. @param data one line of JSON */
export function frameOf(event: string, id: string, data: string): string {
  return createEventBuffer({ serializer: String }).push(data, event, id).read()
}

/**
 * One client's stream of server-sent events. better-sse writes the format; its sessions are not used, because they write
 * without looking at what waits to be read already.
 */
export class SseStream implements EventStream {
  readonly #response: ServerResponse
  readonly #onDropped: () => void
  #sentAt = 0
  /** where the client goes on if it has to come back just now; undefined: where its last event says */
  resumePoint: (() => string) | undefined

  /** @param onDropped called when the client reads too slowly, before it is disconnected */
  constructor(response: ServerResponse, onDropped: () => void) {
    this.#response = response
    this.#onDropped = onDropped
  }

  get isOpen(): boolean {
    return !this.#response.destroyed && !this.#response.writableEnded
  }

  /** Of the last thing sent, by the clock of `performance.now`. */
  get sentAt(): number {
    return this.#sentAt
  }

  /** Sends the headers, and after how long to come back when the connection breaks. */
  begin(): void {
    // Nothing comes after it on its connection.
    this.#response.shouldKeepAlive = false
    for (const [name, value] of Object.entries(Connection.constants.RESPONSE_HEADERS)) {
      if (name !== 'Connection') this.#response.setHeader(name, value)
    }
    this.#response.writeHead(200)
    this.#response.socket?.setNoDelay(true)
    const retry = RETRY_MIN_MS + Math.floor(Math.random() * RETRY_SPREAD_MS)
    this.send(createEventBuffer().retry(retry).dispatch().read())
  }

  /** Sends what is ready, at once. A client that does not read what is sent is disconnected. */
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

  /**
   * Keeps what is between here and the client from taking the connection for dead. A client that has not read by now what
   * was sent before is disconnected.
   */
  beat(): void {
    if (this.isOpen && this.#response.writableNeedDrain) return this.#drop()
    const beat = createEventBuffer().comment('heartbeat')
    const id = this.resumePoint?.()
    this.send((id === undefined ? beat : beat.id(id)).dispatch().read())
  }

  /** Calls `closed` once the connection is, or at once. */
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
