/** The reply of a route handler. */
export interface RouteReply<Reply> {
  body: Reply
  headers?: Record<string, string>
}

/** One client's open stream of server-sent events. */
export interface EventStream {
  readonly isOpen: boolean
  /**
   * Returns the resume token of a client that has to reconnect now. When undefined, the id of the
   * last event is the token.
   */
  resumePoint: (() => string) | undefined
  /** Sends rendered events at once. A client that does not read them is disconnected. */
  send(frames: string): void
  /** Sends rendered events in pieces, each after the client has read the piece before. */
  sendAll(frames: readonly string[]): Promise<void>
  end(): void
  /** Calls `closed` when the stream ends. */
  onClose(closed: () => void): void
}

/** The reply of a route handler that streams events. */
export interface StreamReply {
  /** restaurant that the events belong to: a caller who loses access to it is disconnected */
  restaurantId: string
  /**
   * Starts sending after the headers are out. An error ends the stream; the client reconnects.
   * Undefined when the client has received all events that there will be: the response is 204,
   * after which browsers do not reconnect.
   */
  start: ((stream: EventStream) => Promise<void>) | undefined
}
