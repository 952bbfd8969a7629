/** A webhook that an event is delivered to. */
export interface FanOutTarget {
  event_id: string
  /** the webhook */
  target_id: string
}

/**
 * Decides, per event, what the event leads to besides the jobs of its routes: one delivery per
 * webhook that is subscribed to it. The outbox runs the statements in the transaction that
 * publishes the event, so that an event and its deliveries are committed together.
 */
export interface FanOut {
  /**
   * An insert over the common table expression `published` (event_id, restaurant_id, type,
   * order_id, payload) that returns `event_id` and `target_id`. It is part of the statement that
   * publishes, so that it costs no round trip.
   */
  readonly insertSql: string
  /**
   * Deletes what `insertSql` inserted for the event $1: an event that is quarantined is not
   * delivered.
   */
  readonly removeSql: string
}
