import { expect } from 'chai'
import type { Order } from '../../src/board/browser/api-types.ts'
import { type BoardState, emptyState, fold } from '../../src/board/browser/board-state.ts'
import { allDayCounts, columnsOf, matches, shownCodes } from '../../src/board/browser/columns.ts'
import { Announcements, inWords, newsOf } from '../../src/board/browser/news.ts'
import { ageInWords, ServerClock, spokenAge, urgencyOf } from '../../src/pages/browser/clock.ts'
import { at, eventsOf, orderAfter, snapshotOf } from './orders.ts'

const now = Date.parse(at(60))
const boardOf = (...orders: Order[]) => fold(emptyState, [snapshotOf(orders)])

/** The ids in each column. */
function places(state: BoardState, nowMs = now): Record<string, string[]> {
  const columns = columnsOf(state, nowMs).map(({ name, orders }) => [
    name,
    orders.map(order => order.order_id),
  ])
  return Object.fromEntries(columns) as Record<string, string[]>
}

describe('the columns of the board', () => {
  it('hold the orders by status and readiness, oldest first', () => {
    const state = boardOf(
      orderAfter('late', ['PREPARING'], { placed_at: at(5) }),
      orderAfter('early', ['PREPARING'], { placed_at: at(4) }),
      orderAfter('ready', ['PREPARING', 'READY']),
      orderAfter('again', ['PREPARING', 'READY', 'UNREADY'], { placed_at: at(6) }),
      orderAfter('out', ['PREPARING', 'OUT_FOR_DELIVERY']),
    )
    expect(places(state)).to.deep.equal({ cook: ['early', 'late', 'again'], ready: ['ready'], out: ['out'] })
  })

  it('show an order without deducted stock only after three seconds', () => {
    const state = boardOf(orderAfter('a', []))
    expect(places(state, Date.parse(at(3))).cook).to.deep.equal([])
    expect(places(state, Date.parse(at(3)) + 1).cook).to.deep.equal(['a'])
  })

  it('keep a cancelled order in its place until it is acknowledged', () => {
    const before = boardOf(orderAfter('a', ['PREPARING', 'READY']), orderAfter('b', ['PREPARING']))
    const cancelled = fold(before, eventsOf('a', ['PREPARING', 'READY', 'CANCELLED']))
    expect(places(cancelled)).to.deep.equal({ cook: ['b'], ready: ['a'], out: [] })
    const seen = fold(cancelled, [{ kind: 'acknowledged', order_id: 'a' }])
    expect(places(seen)).to.deep.equal({ cook: ['b'], ready: [], out: [] })
  })

  it('do not show an order that was cancelled within three seconds, for lack of stock', () => {
    expect(places(fold(boardOf(), eventsOf('a', ['CANCELLED']))).cook).to.deep.equal([])
  })

  it('count the portions that are to be cooked, by item and without cancelled orders', () => {
    const pizza = { menu_item_id: 'pizza', name: 'Pizza', quantity: 2 }
    const soup = { menu_item_id: 'soup', name: 'Soup', quantity: 5 }
    const before = boardOf(
      orderAfter('a', ['PREPARING'], { items: [pizza, soup] }),
      orderAfter('b', ['PREPARING'], { items: [pizza, pizza] }),
      orderAfter('c', ['PREPARING', 'READY'], { items: [soup] }),
      orderAfter('d', ['PREPARING'], { items: [soup] }),
    )
    const state = fold(before, eventsOf('d', ['PREPARING', 'CANCELLED']))
    expect(allDayCounts(columnsOf(state, now))).to.deep.equal([{ ...pizza, quantity: 6 }, soup])
  })

  it('show one character more of two codes that are alike', () => {
    const state = boardOf(
      orderAfter('019a0000-0000-7000-8000-000a3cc77001', [], { code: '7K3Q' }),
      orderAfter('019a0000-0000-7000-8000-000b3cc77001', [], { code: '7K3Q' }),
      orderAfter('019a0000-0000-7000-8000-000c11111001', [], { code: 'AAAA' }),
    )
    expect([...shownCodes(state.orders.values()).values()]).to.deep.equal(['7K3Q·A', '7K3Q·B', 'AAAA'])
  })

  it('are searched by code, item, customer and note, in any case', () => {
    const order = boardOf(orderAfter('abcd', [], { customer_id: 'Rossi', notes: 'no nuts' })).orders.get(
      'abcd',
    )
    if (!order) throw new Error('the order is missing')
    for (const text of ['', '  ', 'abc', 'PIZZ', 'rossi', 'Nuts'])
      expect(matches(order, text), text).to.equal(true)
    for (const text of ['xyz', 'null']) expect(matches(order, text), text).to.equal(false)
  })
})

describe('the news of the board', () => {
  const nothing = { arrived: [], cancelled: [] }

  it('are no orders of the first snapshot, and those of a later one', () => {
    const first = boardOf(orderAfter('a', ['PREPARING']))
    expect(newsOf(emptyState, first, now)).to.deep.equal(nothing)
    const later = fold(first, [snapshotOf([orderAfter('a', ['PREPARING']), orderAfter('b', ['PREPARING'])])])
    expect(newsOf(first, later, now).arrived.map(order => order.order_id)).to.deep.equal(['b'])
  })

  it('are orders that the kitchen can start, once', () => {
    const [placed, preparing] = eventsOf('a', ['PREPARING'])
    const waiting = fold(boardOf(), placed ? [placed] : [])
    expect(newsOf(boardOf(), waiting, now)).to.deep.equal(nothing)
    const started = fold(waiting, preparing ? [preparing] : [])
    expect(newsOf(waiting, started, now).arrived.map(order => order.order_id)).to.deep.equal(['a'])
    expect(newsOf(started, fold(started, preparing ? [preparing] : []), now)).to.deep.equal(nothing)
  })

  it('are cancelled orders that the board shows', () => {
    const before = boardOf(orderAfter('a', ['PREPARING']))
    const after = fold(before, [
      ...eventsOf('a', ['PREPARING', 'CANCELLED']),
      ...eventsOf('never-shown', ['CANCELLED']),
    ])
    const news = newsOf(before, after, now)
    expect(news.cancelled.map(order => order.order_id)).to.deep.equal(['a'])
    expect(inWords(news, order => order.code)).to.equal('Cancelled: AXXX.')
  })

  it('name up to three orders, and count more', () => {
    const orders = ['a', 'b', 'c', 'd'].map(id => orderAfter(id, ['PREPARING']))
    const all = newsOf(boardOf(), boardOf(...orders), now)
    expect(inWords(all, order => order.code)).to.equal('New order: 4 orders.')
    const two = newsOf(boardOf(), boardOf(...orders.slice(0, 2)), now)
    expect(inWords(two, order => order.code)).to.equal('New order: AXXX, BXXX.')
    expect(inWords(nothing, order => order.code)).to.equal(undefined)
  })

  it('are all kept until they are drawn, also those with equal words', () => {
    const announcements = new Announcements()
    for (const text of ['New order: 4 orders.', undefined, 'New order: 4 orders.', 'New order: AB12.'])
      announcements.add(text)
    expect(announcements.latest).to.deep.equal([
      { id: 1, text: 'New order: 4 orders.' },
      { id: 2, text: 'New order: 4 orders.' },
      { id: 3, text: 'New order: AB12.' },
    ])
  })
})

describe('the clock of the board', () => {
  it('follows the Date of answers and not the clock of the device', () => {
    let steadyMs = 1_000
    const clock = new ServerClock(() => steadyMs)
    clock.observe(new Date(now).toUTCString())
    steadyMs += 5 * 60_000
    expect(clock.nowMs() - now).to.be.within(5 * 60_000, 5 * 60_000 + 1_000)
    clock.observe(null)
    clock.observe('not a date')
    expect(clock.nowMs() - now).to.be.within(5 * 60_000, 5 * 60_000 + 1_000)
    // The device slept for an hour, in which its steady clock stood still.
    clock.observe(new Date(now + 3_600_000).toUTCString())
    expect(clock.nowMs() - now).to.be.within(3_600_000, 3_601_000)
  })

  it('says ages in words, and how urgent they are by the limits of the screen', () => {
    const limits = { soonMinutes: 8, lateMinutes: 15 }
    const minute = 60_000
    expect([-5, 59_999, minute, 59 * minute, 65 * minute].map(ageInWords)).to.deep.equal([
      'just now',
      'just now',
      '1 min',
      '59 min',
      '1 h 5 min',
    ])
    expect([-5, minute, 59 * minute, 65 * minute, 121 * minute].map(spokenAge)).to.deep.equal([
      'just now',
      '1 minute',
      '59 minutes',
      '1 hour 5 minutes',
      '2 hours 1 minute',
    ])
    expect([0, 8 * minute - 1, 8 * minute, 15 * minute].map(age => urgencyOf(age, limits))).to.deep.equal([
      'fresh',
      'fresh',
      'soon',
      'late',
    ])
  })
})
