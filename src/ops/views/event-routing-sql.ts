import { DELIVERY_QUEUE } from '../../jobs/queues.ts'
import { routing } from '../../outbox/routing.ts'

/**
 * The routing table as SQL: the rows of `values …`, each `(type, queue)`. Without deliveries, of which an event may have none or many:
 * `webhook_deliveries` says what each of them leads to.
 */
export const eventRoutingSql = Object.entries(routing)
  .flatMap(([type, queues]) =>
    queues.filter(queue => queue !== DELIVERY_QUEUE).map(queue => `('${type}', '${queue}')`),
  )
  .join(', ')
