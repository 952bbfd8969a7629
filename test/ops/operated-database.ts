import type { PgBoss } from 'pg-boss'
import type { Database } from '../../src/db/database.ts'
import { startBoss } from '../../src/jobs/boss.ts'
import { dispatchBatch } from '../../src/outbox/dispatch-batch.ts'
import { webhookFanOut } from '../../src/webhooks/fan-out.ts'
import { quiet } from '../support/log.ts'
import { addMenu, type Menu } from '../support/pipeline.ts'
import { startWorker } from '../support/start-role.ts'
import { openTestDatabase, testConfig } from '../support/system.ts'

const STOCK = 10
const DISPATCHED_AT_ONCE = 500

/** A database with a menu of one item and no running processes. */
export class OperatedDatabase {
  readonly database: Database
  readonly url: string
  readonly boss: PgBoss
  readonly menu: Menu
  readonly #close: () => Promise<void>

  private constructor(
    { database, url, close }: Awaited<ReturnType<typeof openTestDatabase>>,
    boss: PgBoss,
    menu: Menu,
  ) {
    this.database = database
    this.url = url
    this.#close = close
    this.boss = boss
    this.menu = menu
  }

  static async open(): Promise<OperatedDatabase> {
    const test = await openTestDatabase()
    const boss = await startBoss(test.database, 'producer', 'test', quiet)
    return new OperatedDatabase(test, boss, await addMenu(test.database, STOCK))
  }

  async close(): Promise<void> {
    await this.boss.stop({ graceful: false })
    await this.#close()
  }

  /** Reads a view of `ops`. @param rest SQL after the name of the view */
  async rows(view: string, rest = ''): Promise<Record<string, unknown>[]> {
    return await this.database.query(`select * from ops.${view} ${rest}`)
  }

  async dispatch(): Promise<void> {
    await this.database.transaction(tx =>
      dispatchBatch(tx, { boss: this.boss, fanOut: webhookFanOut, log: quiet }, DISPATCHED_AT_ONCE),
    )
  }

  /** Ages an order. @param sql a statement with the order id as `$1` */
  async age(sql: string, order: string): Promise<void> {
    await this.database.execute(sql, [order])
  }

  async withWorker(work: () => Promise<void>): Promise<void> {
    const worker = await startWorker(testConfig, this.url, quiet)
    try {
      await work()
    } finally {
      await worker.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    }
  }
}
