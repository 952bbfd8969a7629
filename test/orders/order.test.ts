import { expect } from 'chai'
import {
  type Actor,
  decideReadiness,
  decideTransition,
  IllegalTransition,
  InventoryPending,
  OrderNotPreparing,
  type OrderState,
  type OrderStatus,
  orderStatuses,
  TooManyFacts,
  transitions,
} from '../../src/orders/order.ts'

const order = (status: OrderStatus): OrderState => ({
  order_id: 'o',
  restaurant_id: 'r',
  status,
  version: 3,
  ready_at: null,
  next_ms: 0,
})

const ready = (version: number) => ({ ...order('PREPARING'), version, ready_at: new Date() })
const notReady = (version: number) => ({ ...order('PREPARING'), version })

/** The allowed transitions, stated independently of the code: from, to, by whom. */
const legal: [OrderStatus, OrderStatus, Actor[]][] = [
  ['PLACED', 'PREPARING', ['system']],
  ['PLACED', 'CANCELLED', ['client', 'system']],
  ['PREPARING', 'OUT_FOR_DELIVERY', ['client', 'system']],
  ['PREPARING', 'CANCELLED', ['client', 'system']],
  ['OUT_FOR_DELIVERY', 'DELIVERED', ['client', 'system']],
  ['OUT_FOR_DELIVERY', 'CANCELLED', ['client', 'system']],
]

describe('the order state machine', () => {
  for (const from of orderStatuses) {
    for (const to of orderStatuses) {
      for (const actor of ['client', 'system'] as const) {
        const isLegal = legal.some(([f, t, actors]) => f === from && t === to && actors.includes(actor))
        if (from === to) {
          it(`changes nothing when the ${actor} requests ${to} of a ${from} order`, () => {
            expect(decideTransition(order(from), { to, actor })).to.equal(null)
          })
        } else if (isLegal) {
          it(`allows the ${actor} to move ${from} to ${to} with the next seq`, () => {
            expect(decideTransition(order(from), { to, actor })).to.include({ to, seq: 4, actor })
          })
        } else {
          it(`does not allow the ${actor} to move ${from} to ${to}`, () => {
            const refusal = from === 'PLACED' && to === 'PREPARING' ? InventoryPending : IllegalTransition
            expect(() => decideTransition(order(from), { to, actor })).to.throw(refusal)
          })
        }
      }
    }
  }

  it('names the current and the allowed statuses in an IllegalTransition', () => {
    expect(() => decideTransition(order('PREPARING'), { to: 'DELIVERED', actor: 'client' }))
      .to.throw(IllegalTransition, 'PREPARING')
      .with.property('fields')
      .that.deep.equals({
        current_status: 'PREPARING',
        requested_status: 'DELIVERED',
        allowed_statuses: ['OUT_FOR_DELIVERY', 'CANCELLED'],
        changed_by: null,
      })
  })

  it('sets a reason for every cancellation and for no other transition', () => {
    expect(decideTransition(order('PLACED'), { to: 'CANCELLED', actor: 'client' })?.reason).to.equal(
      'CLIENT_REQUEST',
    )
    expect(
      decideTransition(order('PLACED'), { to: 'CANCELLED', actor: 'client', reason: 'late' })?.reason,
    ).to.equal('late')
    expect(decideTransition(order('PLACED'), { to: 'PREPARING', actor: 'system' })?.reason).to.equal(null)
  })

  it('records READY and UNREADY with the next seq, and keeps PREPARING', () => {
    const step = { to: 'PREPARING', seq: 4, actor: 'client', reason: null }
    expect(decideReadiness(notReady(3), true)).to.include({ ...step, fact: 'READY' })
    expect(decideReadiness(ready(3), false)).to.include({ ...step, fact: 'UNREADY' })
    expect(decideTransition(ready(3), { to: 'OUT_FOR_DELIVERY', actor: 'client' })).to.include({ fact: null })
  })

  it('changes nothing when an order that is ready becomes ready, or one that is not, not', () => {
    for (const version of [2, 3, 102, 500]) {
      expect(decideReadiness(ready(version), true)).to.equal(null)
      expect(decideReadiness(notReady(version), false)).to.equal(null)
    }
  })

  for (const status of orderStatuses.filter(each => each !== 'PREPARING')) {
    it(`makes no ${status} order ready or not ready, whatever it was`, () => {
      for (const ready_at of [null, new Date()])
        for (const isReady of [true, false])
          expect(() => decideReadiness({ ...order(status), ready_at }, isReady))
            .to.throw(OrderNotPreparing, status)
            .with.deep.property('fields', { current_status: status, changed_by: null })
    })
  }

  it('records at most 100 facts per order', () => {
    expect(decideReadiness(notReady(100), true)).to.include({ seq: 101 })
    expect(decideReadiness(ready(101), false)).to.include({ seq: 102 })
    expect(() => decideReadiness(notReady(102), true)).to.throw(TooManyFacts)
  })

  it('allows no transition from DELIVERED or CANCELLED', () => {
    expect(transitions.DELIVERED).to.deep.equal([])
    expect(transitions.CANCELLED).to.deep.equal([])
  })
})
