import { DELIVERY_QUEUE } from '../../jobs/queues.ts'
import { routing } from '../../outbox/routing.ts'

/**
 * The routing table as SQL: rows `(type, queue)` for `values …`. Without webhook deliveries: an
 * event has any number of them, which are the rows of `webhook_deliveries`.
 */
export const eventRoutingSql = Object.entries(routing)
  .flatMap(([type, queues]) =>
    queues.filter(queue => queue !== DELIVERY_QUEUE).map(queue => `('${type}', '${queue}')`),
  )
  .join(', ')
