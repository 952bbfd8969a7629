import { expect } from 'chai'
import type { TrackedOrder as SentOrder } from '../../src/streams/tracked-order.ts'
import { isOver, stagesOf, type TrackedOrder, withStep } from '../../src/track/browser/tracked-order.ts'

type Step = TrackedOrder['steps'][number]

const step = (seq: number, status: Step['status'], fact: Step['fact'] = null): Step => ({
  seq,
  status,
  fact,
  reason: null,
  at: `2026-11-22T18:3${seq}:00.000Z`,
})

function orderWith(...steps: Step[]): TrackedOrder {
  const sent: SentOrder = {
    order_id: '019a0000-0000-7000-8000-00003cc77001',
    code: '7K3Q',
    restaurant_name: 'Trattoria',
    total_amount: '9.50',
    currency: 'EUR',
    items: [],
    steps,
  }
  return sent
}

const namesOf = (order: TrackedOrder) =>
  stagesOf(order).map(({ name, at }) => (at === undefined ? name.toLowerCase() : name))

describe('the stages that a customer sees', () => {
  const placed = [step(1, 'PLACED'), step(2, 'PREPARING')]
  const ready = [...placed, step(3, 'PREPARING', 'READY')]

  it('are those reached, then those ahead', () => {
    expect(namesOf(orderWith(...placed))).to.deep.equal([
      'PLACED',
      'PREPARING',
      'ready',
      'out_for_delivery',
      'delivered',
    ])
    expect(namesOf(orderWith(...ready))[2]).to.equal('READY')
  })

  it('have no readiness that was taken back', () => {
    expect(namesOf(orderWith(...ready, step(4, 'PREPARING', 'UNREADY')))[2]).to.equal('ready')
  })

  it('leave out a readiness that was never stated, once the order has left', () => {
    expect(namesOf(orderWith(...placed, step(3, 'OUT_FOR_DELIVERY')))).to.deep.equal([
      'PLACED',
      'PREPARING',
      'OUT_FOR_DELIVERY',
      'delivered',
    ])
  })

  it('end with the cancellation', () => {
    expect(namesOf(orderWith(...ready, step(4, 'CANCELLED')))).to.deep.equal([
      'PLACED',
      'PREPARING',
      'READY',
      'CANCELLED',
    ])
  })

  it('change with each step, and not with a repeated one', () => {
    const order = orderWith(...placed)
    const left = withStep(order, step(3, 'OUT_FOR_DELIVERY'))
    expect(withStep(left, step(2, 'PREPARING'))).to.equal(left)
    expect([isOver(left), isOver(withStep(left, step(4, 'DELIVERED')))]).to.deep.equal([false, true])
  })
})
