import { expect } from 'chai'
import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../../src/db/database.ts'
import { type EventOf, newEvent } from '../../src/events/event.ts'
import { readNewEvents } from '../../src/events/read-new-events.ts'
import {
  earliestOf,
  isWithin,
  type PositionRow,
  positionSql,
  type SnapshotPosition,
  snapshotPosition,
} from '../../src/events/snapshot-position.ts'
import { sortEvents } from '../../src/events/sort-events.ts'
import { appendEvents } from '../../src/outbox/append-event.ts'
import { nowMs } from '../../src/platform/clock.ts'
import { openTestDatabase } from '../support/system.ts'

const restaurant_id = uuidv7()
const PLENTY = 1_000

function statusEvent(order_id: string, seq: number): EventOf {
  const at = '2026-11-22T18:30:00.000Z'
  const change = { previous_status: 'PLACED', status: 'PREPARING' as const, actor: 'system', reason: null }
  return newEvent('order.status.preparing.v1', { order_id, restaurant_id, seq, at, ...change }, {})
}

const lowStock = () =>
  newEvent(
    'inventory.low_stock.v1',
    {
      restaurant_id,
      menu_item_id: uuidv7(),
      name: 'P',
      available_qty: 1,
      low_stock_threshold: 2,
      at: '2026-11-22T18:30:00.000Z',
    },
    {},
  )

describe('readNewEvents', () => {
  let database: Database
  let close: () => Promise<void>

  before(async () => {
    const test = await openTestDatabase()
    database = test.database
    close = test.close
  })
  after(() => close())

  async function now(): Promise<SnapshotPosition> {
    const [row] = await database.query<PositionRow>(`select ${positionSql}`)
    return snapshotPosition(row, nowMs())
  }

  const read = (since: SnapshotPosition, limit = PLENTY) =>
    readNewEvents(database, since, [restaurant_id], limit)
  const append = (...events: EventOf[]) => database.transaction(async tx => appendEvents(tx, events))
  const idsOf = (events: readonly EventOf[]) => events.map(({ event_id }) => event_id).sort()

  it('returns an event that commits late, although a later event was read before it', async () => {
    const begin = await now()
    const [early, late] = [lowStock(), lowStock()]
    const open = await database.beginTransaction()
    appendEvents(open.db, [early])
    await open.db.flush()
    await append(late)
    const first = await read(begin)
    expect(idsOf(first.events)).to.deep.equal([late.event_id])
    expect(first.position.inProgress).to.have.lengthOf(1)
    await open.commit()
    const second = await read(first.position)
    expect(idsOf(second.events)).to.deep.equal([early.event_id])
    expect((await read(second.position)).events).to.deep.equal([])
  })

  it('returns an event once to readers at several positions, of which one saw it in progress', async () => {
    const before = await now()
    const [early, late] = [lowStock(), lowStock()]
    const open = await database.beginTransaction()
    appendEvents(open.db, [early])
    await open.db.flush()
    await append(late)
    const during = await now()
    expect(during.inProgress).to.have.lengthOf(1)
    await open.commit()
    const { events } = await read(earliestOf([before, during]))
    expect(idsOf(events)).to.deep.equal(idsOf([early, late]))
  })

  it('returns no event of a rolled-back transaction or of another restaurant', async () => {
    const begin = await now()
    const open = await database.beginTransaction()
    appendEvents(open.db, [lowStock()])
    await open.db.flush()
    await open.rollback()
    expect((await read(begin)).events).to.deep.equal([])
    await append(lowStock())
    expect((await readNewEvents(database, begin, [uuidv7()], PLENTY)).events).to.deep.equal([])
  })

  it('returns each event once while many transactions commit concurrently', async () => {
    let { position, events } = await read(await now())
    const written: string[] = []
    let writing = true
    const writers = Array.from({ length: 6 }, async (_, writer) => {
      for (let count = 0; count < 20; count++) {
        const batch = Array.from({ length: 1 + ((writer + count) % 3) }, lowStock)
        const open = await database.beginTransaction()
        appendEvents(open.db, batch)
        await open.db.flush()
        if ((writer + count) % 4 === 0) await open.db.query('select pg_sleep(0.005)')
        await open.commit()
        written.push(...batch.map(({ event_id }) => event_id))
      }
    })
    const reader = (async () => {
      for (let last = false; !last; ) {
        last = !writing
        const batch = await read(position, 7)
        events = [...events, ...batch.events]
        position = batch.position
        if (!batch.isComplete) last = false
      }
    })()
    await Promise.all(writers)
    writing = false
    await reader
    expect(idsOf(events)).to.deep.equal(written.sort())
  })

  it('never splits the events of one transaction at the limit', async () => {
    const begin = await now()
    const [first, second] = [
      [lowStock(), lowStock(), lowStock()],
      [lowStock(), lowStock()],
    ]
    await append(...first)
    await append(...second)
    const batch = await read(begin, 4)
    expect(batch.isComplete).to.equal(false)
    expect(idsOf(batch.events)).to.deep.equal(idsOf(first))
    const rest = await read(batch.position, 4)
    expect(rest.isComplete).to.equal(true)
    expect(idsOf(rest.events)).to.deep.equal(idsOf(second))
    // The first transaction alone exceeds the limit, and is returned whole all the same.
    expect(idsOf((await read(begin, 2)).events)).to.include.members(idsOf(first))
  })

  it('skips events that a restored dump brought from another server', async () => {
    const begin = await now()
    const foreign = lowStock()
    await append(foreign)
    await database.execute(`update outbox_events set xid = '1000000000' where event_id = $1`, [
      foreign.event_id,
    ])
    expect((await read(begin)).events).to.deep.equal([])
    await database.execute('delete from outbox_events where event_id = $1', [foreign.event_id])
  })
})

describe('sortEvents', () => {
  it('sorts events by id, and the events of an order by sequence although clocks differ', () => {
    const [a, b] = [uuidv7(), uuidv7()]
    const [other, third, second, first] = [
      statusEvent(b, 2),
      statusEvent(a, 4),
      statusEvent(a, 3),
      statusEvent(a, 2),
    ]
    const low = lowStock()
    const sorted = [other, first, second, third, low]
    expect(sortEvents([other, third, second, first, low])).to.deep.equal(sorted)
    expect(sortEvents([low, first, third, second, other])).to.deep.equal(sorted)
  })
})

describe('a snapshot position', () => {
  it('includes the transactions that had committed when the snapshot was taken', () => {
    const position = snapshotPosition({ snapshot: '795:799:795,797', wal_timeline: '1.00000001' }, 0)
    expect([794, 795, 796, 797, 798, 799, 800].filter(xid => isWithin(position, xid))).to.deep.equal([
      794, 796, 798,
    ])
    expect(snapshotPosition({ snapshot: '800:800:', wal_timeline: '1.00000002' }, 5)).to.deep.equal({
      timeline: '1.00000002',
      next: 800,
      inProgress: [],
      takenAtMs: 5,
    })
  })
})
