import type { EventStream } from './event-stream.ts'

/** What a handler answers with. */
export interface RouteReply<Reply> {
  body: Reply
  headers?: Record<string, string>
}

/** What a handler answers with when the answer goes on. */
export interface StreamReply {
  /** whose events they are: a caller who loses sight of it is disconnected */
  restaurantId: string
  /** begins to send; the headers are out by then. What it throws ends the stream, and the client comes back. */
  start: (stream: EventStream) => Promise<void>
}
