import type { Database } from '../db/database.ts'
import type { Tx } from '../db/transaction.ts'
import { checks } from './invariants/invariants.ts'
import { createRoleSql, OPERATOR_ROLE } from './roles/grant-roles.ts'
import { jobViews } from './views/job-views.ts'
import { orderTimelineView } from './views/order-timeline-view.ts'
import { outboxViews } from './views/outbox-views.ts'
import { processViews } from './views/process-views.ts'
import { queueViews } from './views/queue-views.ts'
import { failedStatisticsView, projectionsView } from './views/stats-views.ts'
import { stockViews } from './views/stock-views.ts'
import { stuckOrdersView } from './views/stuck-orders-view.ts'
import { createViewSql, type View } from './views/view.ts'
import { webhooksView } from './views/webhooks-view.ts'

/** Every view of the schema `ops`; a view comes after the views that it reads. */
export const views: readonly View[] = [
  ...queueViews,
  ...jobViews,
  ...outboxViews,
  ...processViews,
  stuckOrdersView,
  ...stockViews,
  orderTimelineView,
  webhooksView,
  projectionsView,
  failedStatisticsView,
  ...checks,
]

/** Returns the view of this name. */
export function viewNamed(name: string): View {
  const view = views.find(each => each.name === name)
  if (!view) throw new Error(`the schema ops has no view ${name}`)
  return view
}

/** Drops the schema `ops`: views over the tables of pg-boss would block migrations of pg-boss. */
export async function dropViews(database: Database): Promise<void> {
  await database.execute('drop schema if exists ops cascade')
}

/** Creates the schema `ops` and its grants. Atomic: operators see all views or none. */
export async function createViews(database: Database): Promise<void> {
  await database.execute(createRoleSql(OPERATOR_ROLE))
  await database.transaction(async tx => {
    await tx.execute('create schema ops')
    await tx.execute(`comment on schema ops is 'Views for operators; every view and column has a comment'`)
    for (const statement of views.flatMap(createViewSql)) await tx.execute(statement)
    await grant(tx)
  })
}

/** Grants the views to the operator role, which is missing where the login may not create roles. */
async function grant(tx: Tx): Promise<void> {
  const roles = await tx.query('select 1 from pg_roles where rolname = $1', [OPERATOR_ROLE])
  if (roles.length === 0) return
  await tx.execute(`grant usage on schema ops to ${OPERATOR_ROLE}`)
  await tx.execute(`grant select on all tables in schema ops to ${OPERATOR_ROLE}`)
}
