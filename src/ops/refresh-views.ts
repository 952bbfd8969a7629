import type { Database } from '../db/database.ts'
import { checks } from './checks.ts'
import { createViewSql } from './view.ts'

/** Removes the schema `ops`: a view over pg-boss's tables would block pg-boss's own upgrade. */
export async function dropViews(database: Database): Promise<void> {
  await database.execute('drop schema if exists ops cascade')
}

/** Creates the schema `ops` anew. Atomic: operators see all views or none. */
export async function createViews(database: Database): Promise<void> {
  await database.transaction(async tx => {
    await tx.execute('create schema ops')
    await tx.execute(
      `comment on schema ops is 'What operators look at; every view and column says what it is'`,
    )
    for (const statement of checks.flatMap(createViewSql)) await tx.execute(statement)
  })
}
