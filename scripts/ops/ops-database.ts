import { userInfo } from 'node:os'
import type { PgBoss } from 'pg-boss'
import { pino } from 'pino'
import { Database } from '../../src/db/database.ts'
import { startBoss } from '../../src/jobs/boss.ts'
import type { Operator } from '../../src/ops/actions/audit.ts'
import { databaseUrl } from '../support/connect.ts'
import { flag, type Option, text } from '../support/read-options.ts'
import { ScriptError } from '../support/script-error.ts'

const STATEMENT_TIMEOUT_MS = 60_000
const log = pino({ level: 'silent' })

/** Runs `work` with a pool on Comanda's database. @param timeoutMs longest a statement may take */
export async function withDatabase<T>(
  work: (database: Database) => Promise<T>,
  timeoutMs = STATEMENT_TIMEOUT_MS,
): Promise<T> {
  const database = await Database.open({
    url: databaseUrl().url,
    applicationName: 'comanda ops',
    poolCount: 2,
    timeoutMs,
    log,
  })
  try {
    return await work(database)
  } finally {
    await database.close()
  }
}

/** The same, with pg-boss to put jobs into their queues. */
export async function withBoss<T>(work: (database: Database, boss: PgBoss) => Promise<T>): Promise<T> {
  return await withDatabase(async database => {
    const boss = await startBoss(database, 'producer', 'ops', log)
    try {
      return await work(database, boss)
    } finally {
      await boss.stop()
    }
  })
}

export const jsonOption: { json: Option<boolean> } = { json: flag('print JSON instead of text') }

/** What every command that changes something takes. */
export const operatorOptions = {
  reason: text('why; goes to ops_audit', ''),
  actor: text('who; goes to ops_audit', userInfo().username),
}

/** @throws ScriptError when no reason was given: nothing is changed without one */
export function operatorOf({ reason, actor }: { reason: string; actor: string }): Operator {
  if (reason === '') throw new ScriptError('--reason is needed: it is written down with what is changed')
  return { actor, reason }
}
