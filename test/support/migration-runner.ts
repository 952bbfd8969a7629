import type { QueryRunner } from 'typeorm'
import type { Database } from '../../src/db/database.ts'

/** Returns the part of a query runner that migrations use. */
export function runnerOf(database: Database): QueryRunner {
  return { query: async (sql: string) => await database.query(sql) } as unknown as QueryRunner
}
