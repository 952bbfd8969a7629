import type { Route } from '../../http/route.ts'
import { actionRoutes } from './action-routes.ts'
import { deadLetterGroupsRoute } from './dead-letter-groups.ts'
import { opsLists } from './lists.ts'
import type { OpsRoutesOptions } from './ops-route.ts'
import { orderStoryRoute } from './order-story.ts'
import { overviewRoute } from './overview.ts'
import { queueChanges } from './queue-changes.ts'
import { searchRoute } from './search.ts'
import { webhookChanges } from './webhook-changes.ts'
import { webhooksRoute } from './webhook-list.ts'

/** What operators read, the views of `ops` as JSON, and what they change. */
export function opsRoutes(options: OpsRoutesOptions): Route[] {
  return [
    overviewRoute(options),
    searchRoute(options),
    orderStoryRoute(options),
    deadLetterGroupsRoute(options),
    ...opsLists(options),
    webhooksRoute(options),
    ...queueChanges(options),
    ...webhookChanges(options),
    ...actionRoutes(options),
  ]
}
