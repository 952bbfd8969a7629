import { expect } from 'chai'
import { emptyState, fold } from '../../src/board/browser/board-state.ts'
import { columnOf } from '../../src/board/browser/columns.ts'
import { Unacknowledged } from '../../src/board/browser/unacknowledged.ts'
import { orderAfter, snapshotOf } from './orders.ts'

const HOUR_MS = 60 * 60_000

function memory(): Pick<Storage, 'getItem' | 'setItem'> {
  const values = new Map<string, string>()
  return {
    getItem: name => values.get(name) ?? null,
    setItem: (name, value) => void values.set(name, value),
  }
}

describe('the cancelled orders that nobody has acknowledged', () => {
  it('are read by the next page, until they are acknowledged or 12 hours old', () => {
    const storage = memory()
    const after = (ms: number) => [...new Unacknowledged(storage, 'r', ms).unread]
    const first = new Unacknowledged(storage, 'r', 0)
    first.update(['a'], 0)
    first.update(['a', 'b'], HOUR_MS)
    expect(after(HOUR_MS)).to.deep.equal(['a', 'b'])
    expect(after(12 * HOUR_MS)).to.deep.equal(['b'])
    expect([...new Unacknowledged(storage, 'another', 0).unread]).to.deep.equal([])
    const second = new Unacknowledged(storage, 'r', 2 * HOUR_MS)
    second.update([], 2 * HOUR_MS)
    expect(after(2 * HOUR_MS), 'not read yet').to.deep.equal(['a', 'b'])
    second.unread.clear()
    second.update(['b'], 2 * HOUR_MS)
    expect(after(2 * HOUR_MS)).to.deep.equal(['b'])
  })

  it('are bounded, and unreadable ones are forgotten', () => {
    const storage = memory()
    const ids = Array.from({ length: 150 }, (_, index) => `order ${index}`)
    new Unacknowledged(storage, 'r', 0).update(ids, 0)
    expect(new Unacknowledged(storage, 'r', 0).unread.size).to.equal(100)
    storage.setItem('cancelled r', '{')
    expect(new Unacknowledged(storage, 'r', 0).unread.size).to.equal(0)
  })

  it('stand in their place again, struck through, while other cancelled orders that are read do not', () => {
    const order = orderAfter('a', ['PREPARING', 'READY', 'CANCELLED'], {
      ready_at: '2026-11-28T12:00:02.000Z',
    })
    const state = fold(emptyState, [
      snapshotOf([]),
      { kind: 'unacknowledged', order },
      { kind: 'order', order },
      { kind: 'order', order: orderAfter('b', ['PREPARING', 'CANCELLED']) },
    ])
    const columns = [...state.orders.values()].map(each => columnOf(each, 0))
    expect(columns).to.deep.equal(['ready', undefined])
  })
})
