import { expect } from 'chai'
import fc from 'fast-check'
import type { Order } from '../../src/board/browser/api-types.ts'
import {
  type BoardInput,
  type BoardState,
  emptyState,
  fold,
  isFinished,
} from '../../src/board/browser/board-state.ts'
import { eventsOf, orderAfter, type Step, snapshotOf } from './orders.ts'

const paths: readonly (readonly Step[])[] = [
  [],
  ['CANCELLED'],
  ['PREPARING'],
  ['PREPARING', 'CANCELLED'],
  ['PREPARING', 'READY'],
  ['PREPARING', 'READY', 'UNREADY', 'READY', 'CANCELLED'],
  ['PREPARING', 'READY', 'OUT_FOR_DELIVERY'],
  ['PREPARING', 'OUT_FOR_DELIVERY', 'DELIVERED'],
]

/** Status, version and readiness of every order. */
function summary({ orders }: BoardState): Record<string, unknown> {
  const entries = [...orders.values()].map(({ order_id, status, version, ready_at }): [string, unknown] => [
    order_id,
    { status, version, ready_at },
  ])
  return Object.fromEntries(entries.toSorted(([a], [b]) => a.localeCompare(b)))
}

interface SentOrder {
  id: string
  steps: readonly Step[]
  sentCount: number
}

/** The open orders among those whose events have been sent so far. */
function openOrders(orders: readonly SentOrder[]): Order[] {
  return orders
    .filter(({ sentCount }) => sentCount > 0)
    .map(({ id, steps, sentCount }) => orderAfter(id, steps.slice(0, sentCount - 1)))
    .filter(({ status }) => !isFinished(status))
}

describe('the state of the board', () => {
  it('is that of the last step of each order, whatever repeats and wherever a snapshot comes', () => {
    const scenario = fc.record({
      histories: fc.array(fc.constantFrom(...paths), { minLength: 1, maxLength: 5 }),
      /** which order takes the next step; then all others follow */
      turns: fc.array(fc.nat(4), { maxLength: 40 }),
      snapshotAt: fc.nat(20),
      /** events that are sent again: when, and which */
      repeats: fc.array(fc.tuple(fc.nat(40), fc.nat(40)), { maxLength: 20 }),
    })
    fc.assert(
      fc.property(scenario, ({ histories, turns, snapshotAt, repeats }) => {
        const orders = histories.map((steps, index) => {
          const id = `o${index}`
          return { id, steps, events: eventsOf(id, steps), sentCount: 0 }
        })
        const sent: BoardInput[] = []
        let state = emptyState
        const send = (input: BoardInput | undefined) => (state = fold(state, input ? [input] : []))
        const all = [...turns, ...orders.flatMap(({ events }, index) => events.map(() => index))]
        for (const [number, turn] of all.entries()) {
          const order = orders[turn % orders.length]
          const event = order?.events[order.sentCount]
          if (order && event) {
            order.sentCount++
            sent.push(event)
            send(event)
          }
          if (number === snapshotAt) send(snapshotOf(openOrders(orders)))
          for (const [when, which] of repeats) if (when === number) send(sent[which % sent.length])
        }
        const expected = orders.map(({ id, steps }) =>
          fold(emptyState, [{ kind: 'order', order: orderAfter(id, steps) }]),
        )
        expect(summary(state)).to.deep.equal(Object.assign({}, ...expected.map(summary)))
        expect([...state.missing]).to.deep.equal([])
      }),
    )
  })

  it('is unchanged by an event of a type that only a newer version knows', () => {
    const state = fold(emptyState, [snapshotOf([orderAfter('a', ['PREPARING'])])])
    const inputs: BoardInput[] = [
      { kind: 'event', type: 'restaurant.changed.v1', data: { restaurant_id: 'r' } },
      { kind: 'event', type: 'order.rated.v1', data: { order_id: 'a', stars: 5 } },
      { kind: 'event', type: 'inventory.low_stock.v1', data: { menu_item_id: 'pizza' } },
    ]
    expect(summary(fold(state, inputs))).to.deep.equal(summary(state))
  })

  it('keeps the notes of an order through all its steps', () => {
    const [placed, ...steps] = eventsOf('a', ['PREPARING', 'READY', 'OUT_FOR_DELIVERY'])
    const data = { ...(placed as { data: object }).data, notes: 'no nuts' }
    const state = fold(emptyState, [{ kind: 'event', type: 'order.placed.v1', data }, ...steps])
    expect(state.orders.get('a')).to.include({ notes: 'no nuts', version: 4, status: 'OUT_FOR_DELIVERY' })
  })

  it('asks for an order of which it gets a step before its placement', () => {
    const [, preparing] = eventsOf('a', ['PREPARING'])
    const state = fold(emptyState, preparing ? [preparing] : [])
    expect([...state.missing]).to.deep.equal(['a'])
    const answered = fold(state, [{ kind: 'order', order: orderAfter('a', ['PREPARING']) }])
    expect([...answered.missing]).to.deep.equal([])
    expect(answered.orders.get('a')).to.include({ status: 'PREPARING' })
  })

  it('asks for an open order that a snapshot lacks, and shows meanwhile that it does not know', () => {
    const before = fold(emptyState, [snapshotOf([orderAfter('a', ['PREPARING']), orderAfter('b')])])
    const after = fold(before, [snapshotOf([orderAfter('b')])])
    expect([...after.missing]).to.deep.equal(['a'])
    expect(after.orders.get('a')).to.include({ isUnconfirmed: true })
    const cancelled = orderAfter('a', ['PREPARING', 'CANCELLED'])
    const answered = fold(after, [{ kind: 'order', order: cancelled }])
    expect(answered.orders.get('a')).to.include({ isUnconfirmed: false, isAcknowledged: false })
    expect(fold(after, [{ kind: 'absent', order_id: 'a' }]).orders.has('a')).to.equal(false)
  })

  it('keeps a cancelled order until a person has acknowledged it, also through a snapshot', () => {
    const cancelled = fold(emptyState, [
      snapshotOf([orderAfter('a', ['PREPARING'])]),
      ...eventsOf('a', ['PREPARING', 'CANCELLED']),
      snapshotOf([]),
    ])
    expect(cancelled.orders.get('a')).to.include({ status: 'CANCELLED', isAcknowledged: false })
    expect([...cancelled.missing]).to.deep.equal([])
    const seen = fold(cancelled, [{ kind: 'acknowledged', order_id: 'a' }])
    expect(seen.orders.get('a')).to.include({ isAcknowledged: true })
  })

  it('forgets finished orders beyond 2,000, the oldest first', () => {
    const inputs = Array.from({ length: 2_003 }, (_, index) =>
      eventsOf(`o${index}`, ['PREPARING', 'OUT_FOR_DELIVERY', 'DELIVERED']),
    ).flat()
    const state = fold(emptyState, [...inputs, ...eventsOf('open', ['PREPARING'])])
    expect(state.orders.size).to.equal(2_001)
    expect(state.orders.has('o2')).to.equal(false)
    expect(state.orders.has('o3')).to.equal(true)
    expect(state.orders.has('open')).to.equal(true)
  })
})
