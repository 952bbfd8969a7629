/** What a handler answers with. */
export interface RouteReply<Reply> {
  body: Reply
  headers?: Record<string, string>
}
