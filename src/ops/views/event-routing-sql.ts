import { routing } from '../../outbox/routing.ts'

/**
 * The routing table as SQL: rows `(type, queue)` for `values …`. Without webhook deliveries: an
 * event has any number of them, which are the rows of `webhook_deliveries`.
 */
export const eventRoutingSql = Object.entries(routing)
  .flatMap(([type, routes]) => routes.map(({ queue }) => `('${type}', '${queue}')`))
  .join(', ')
