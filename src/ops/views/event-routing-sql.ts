import { type Route, routing } from '../../outbox/routing.ts'

/**
 * The routing table as SQL: rows `(type, queue, start_at)` for `values …`. An event has no job if
 * its payload has no value in the property `start_at`. Without webhook deliveries: an event has any
 * number of them, which are the rows of `webhook_deliveries`.
 */
export const eventRoutingSql = Object.entries(routing)
  .flatMap(([type, routes]: [string, readonly Route[]]) =>
    routes.map(({ queue, startAt }) => `('${type}', '${queue}', ${startAt ? `'${startAt}'` : 'null'})`),
  )
  .join(', ')
