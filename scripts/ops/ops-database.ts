import { userInfo } from 'node:os'
import { Option } from '@commander-js/extra-typings'
import type { PgBoss } from 'pg-boss'
import { pino } from 'pino'
import { Database } from '../../src/db/database.ts'
import { startBoss } from '../../src/jobs/boss.ts'
import { nonEmpty } from '../support/command-line.ts'
import { databaseUrl } from '../support/connect.ts'

const STATEMENT_TIMEOUT_MS = 60_000
const log = pino({ level: 'silent' })

/**
 * Runs `work` with a connection pool on Comanda's database.
 * @param timeoutMs timeout of each statement
 */
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

/** Runs `work` with a connection pool and with pg-boss, which inserts jobs. */
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

export const jsonOption = new Option('--json', 'print JSON instead of text')

/** Options of every command that changes something. */
export const reasonOption = new Option('--reason <TEXT>', 'why, for ops_audit').argParser(nonEmpty)
export const requiredReasonOption = new Option('--reason <TEXT>', 'why, for ops_audit')
  .argParser(nonEmpty)
  .makeOptionMandatory()
export const actorOption = new Option('--actor <NAME>', 'who, for ops_audit')
  .argParser(nonEmpty)
  .default(userInfo().username)
