import type { PgBoss } from 'pg-boss'
import type { Database } from '../../db/database.ts'

/** What the changes of operators need. */
export interface Operations {
  /** with a login of the group `comanda_operations` */
  database: Database
  boss: PgBoss
  /** Makes this process work on a new action at once. */
  wake(): void
}
