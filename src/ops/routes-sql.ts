import { routing } from '../outbox/routing.ts'

/** The routing table as SQL: the rows of `values …`, each `(type, queue)`. */
export const routesSql = Object.entries(routing)
  .flatMap(([type, queues]) => queues.map(queue => `('${type}', '${queue}')`))
  .join(', ')
