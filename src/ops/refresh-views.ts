import type { Database } from '../db/database.ts'
import type { Tx } from '../db/transaction.ts'
import { checks } from './invariants/invariants.ts'
import { createRoleSql } from './roles/grant-roles.ts'
import { orderTimelineView } from './views/order-timeline-view.ts'
import { outboxViews } from './views/outbox-views.ts'
import { processViews } from './views/process-views.ts'
import { queueViews } from './views/queue-views.ts'
import { projectionsView } from './views/stats-views.ts'
import { stockView } from './views/stock-view.ts'
import { stuckOrdersView } from './views/stuck-orders-view.ts'
import { createViewSql, type View } from './views/view.ts'
import { webhooksView } from './views/webhooks-view.ts'

/** May select from `ops`, and nothing else. A group: `grant comanda_operator to somebody`. */
export const OPERATOR_ROLE = 'comanda_operator'

/** Every view of the schema `ops`; one stands behind those that it is made of. */
export const views: readonly View[] = [
  ...queueViews,
  ...outboxViews,
  ...processViews,
  stuckOrdersView,
  stockView,
  orderTimelineView,
  webhooksView,
  projectionsView,
  ...checks,
]

/** Removes the schema `ops`: a view over pg-boss's tables would block pg-boss's own upgrade. */
export async function dropViews(database: Database): Promise<void> {
  await database.execute('drop schema if exists ops cascade')
}

/** Creates the schema `ops` anew, and who may read it. Atomic: operators see all views or none. */
export async function createViews(database: Database): Promise<void> {
  await database.execute(createRoleSql(OPERATOR_ROLE))
  await database.transaction(async tx => {
    await tx.execute('create schema ops')
    await tx.execute(
      `comment on schema ops is 'What operators look at; every view and column says what it is'`,
    )
    for (const statement of views.flatMap(createViewSql)) await tx.execute(statement)
    await grant(tx)
  })
}

/** Without the right to create roles there may be none; the views are there all the same. */
async function grant(tx: Tx): Promise<void> {
  const roles = await tx.query('select 1 from pg_roles where rolname = $1', [OPERATOR_ROLE])
  if (roles.length === 0) return
  await tx.execute(`grant usage on schema ops to ${OPERATOR_ROLE}`)
  await tx.execute(`grant select on all tables in schema ops to ${OPERATOR_ROLE}`)
}
