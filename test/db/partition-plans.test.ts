import { expect } from 'chai'
import type { PgBoss } from 'pg-boss'
import type { Database } from '../../src/db/database.ts'
import type { Sql, Tx } from '../../src/db/transaction.ts'
import { readNewEvents } from '../../src/events/read-new-events.ts'
import { type PositionRow, positionSql, snapshotPosition } from '../../src/events/snapshot-position.ts'
import { startBoss } from '../../src/jobs/boss.ts'
import { claimEvents } from '../../src/jobs/inbox.ts'
import { partitionsOf } from '../../src/ops/maintenance/partitions.ts'
import { dispatchBatch } from '../../src/outbox/dispatch-batch.ts'
import { freshWindow } from '../../src/outbox/id-window.ts'
import { publishEvents } from '../../src/outbox/publish.ts'
import { ANYONE } from '../../src/platform/caller.ts'
import { nowMs } from '../../src/platform/clock.ts'
import { firstIdOf } from '../../src/platform/ids.ts'
import { orderStream } from '../../src/streams/order-stream.ts'
import { readTimeline } from '../../src/timeline/read-timeline.ts'
import { webhookFanOut } from '../../src/webhooks/fan-out.ts'
import { quiet } from '../support/log.ts'
import { partitionByMinute } from '../support/partition-by-minute.ts'
import { addMenu, eventsOf, type Menu, place } from '../support/pipeline.ts'
import { openTestDatabase } from '../support/system.ts'

/** Partitions that hold ids of the last two minutes, or of later. */
const RECENT_MS = 120_000

describe('statements on sixteen partitions of events, under generic plans', () => {
  let database: Database
  let boss: PgBoss
  let close: () => Promise<void>
  let menu: Menu

  before(async () => {
    const test = await openTestDatabase()
    database = test.database
    close = test.close
    boss = await startBoss(database, 'producer', 'test', quiet)
    menu = await addMenu(database, 1_000)
    await partitionByMinute(database)
  })
  after(async () => {
    await boss.stop()
    await close()
  })

  const publisher = () => ({ boss, fanOut: webhookFanOut, log: quiet })

  /** Returns how often this session has read or written each partition, since some time before. */
  async function usesOf(tx: Tx, table: string): Promise<Map<string, number>> {
    await tx.flush()
    const rows = await tx.query<{ name: string; uses: number }>(
      `select relname as name, coalesce(seq_scan, 0) + coalesce(idx_scan, 0) + n_tup_ins as uses
      from pg_stat_xact_user_tables where relname like $1 || '\\_%' order by relname`,
      [table],
    )
    return new Map(rows.map(({ name, uses }) => [name, uses]))
  }

  /** Runs work in a transaction. @returns the partitions that its statements have used */
  async function used(work: (tx: Tx) => Promise<unknown>, table = 'outbox_events'): Promise<string[]> {
    return await database.transaction(async tx => {
      const [mode] = await tx.query('show plan_cache_mode')
      expect(mode).to.deep.equal({ plan_cache_mode: 'force_generic_plan' })
      const before = await usesOf(tx, table)
      await work(tx)
      const after = await usesOf(tx, table)
      return [...after.keys()].filter(name => after.get(name) !== before.get(name))
    })
  }

  const orderOf = async () => await place(database, menu)

  it('claim, mark and publish events in at most two partitions', async () => {
    await orderOf()
    const claimed = await used(tx => dispatchBatch(tx, publisher(), 500, freshWindow()))
    expect(claimed).to.have.lengthOf.within(1, 2)
    const [event] = await eventsOf(database, await orderOf(), 'order.placed.v1')
    if (!event) expect.fail('the order has no event')
    const copy = { ...event, event_id: firstIdOf(nowMs()) }
    expect(await used(async tx => await publishEvents(tx, publisher(), [copy]))).to.have.lengthOf.within(1, 2)
    const recorded = await used(tx => claimEvents(tx, 'inventory.deduct', [event]), 'processed_events')
    expect(recorded).to.have.lengthOf.within(1, 2)
  })

  it('read all partitions when the ids have no bound', async () => {
    expect(await used(tx => dispatchBatch(tx, publisher(), 500))).to.have.lengthOf(17)
  })

  const reads: Record<string, (sql: Sql, orderId: string) => Promise<unknown>> = {
    'the event tailer': async sql => {
      const [row] = await sql.query<PositionRow>(`select ${positionSql}`)
      return await readNewEvents(sql, snapshotPosition(row, nowMs()), [menu.restaurant_id], 10)
    },
    'the stream of an order': async (sql, orderId) =>
      await orderStream(
        { database: sql as Database } as Parameters<typeof orderStream>[0],
        orderId,
        undefined,
      ),
    'the timeline of an order': async (sql, orderId) => await readTimeline(sql, ANYONE, orderId),
  }
  for (const [reader, read] of Object.entries(reads)) {
    it(`read no old partition for ${reader}`, async () => {
      const order = await orderOf()
      const old = (await partitionsOf(database, 'outbox_events'))
        .filter(({ until_at }) => until_at.getTime() < nowMs() - RECENT_MS)
        .map(({ name }) => name)
      expect(old).to.have.lengthOf.within(7, 9)
      const partitions = await used(tx => read(tx, order))
      expect(partitions).to.have.lengthOf.above(0)
      expect(partitions.filter(name => old.includes(name))).to.deep.equal([])
    })
  }
})
