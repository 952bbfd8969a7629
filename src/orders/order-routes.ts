import type { Database } from '../db/database.ts'
import type { Cursors } from '../http/cursor.ts'
import type { Route } from '../http/route.ts'
import type { WakeDispatcher } from '../outbox/notify-channels.ts'
import { changeOrderRoutes } from './change-order-routes.ts'
import { placeOrderRoutes } from './place-order-routes.ts'
import type { PlacementQueue } from './placement-queue.ts'
import { readOrderRoutes } from './read-order-routes.ts'
import type { TrackingLinks } from './tracking-links.ts'

export interface OrderRoutesOptions {
  database: Database
  placement: PlacementQueue
  cursors: Cursors
  links: TrackingLinks
  wakeDispatcher: WakeDispatcher
}

/** All operations on orders. None of them waits for the asynchronous pipeline. */
export function orderRoutes(options: OrderRoutesOptions): Route[] {
  return [...placeOrderRoutes(options), ...readOrderRoutes(options), ...changeOrderRoutes(options)]
}
