import { setMaxListeners } from 'node:events'
import { expect } from 'chai'
import { Api, ApiProblem } from '../../scripts/support/api.ts'
import { CallLimit } from '../../scripts/support/call-limit.ts'
import type { OrderPlan } from '../../scripts/support/plan-order.ts'
import { simulateOrder } from '../../scripts/support/simulate-order.ts'
import { SimulationStats } from '../../scripts/support/simulation-stats.ts'
import type { OrderReply } from '../../src/orders/order-contract.ts'

const ids = {
  order_id: '019a0000-0000-7000-8000-00003cc77001',
  code: '7K3Q',
  restaurant_id: '019a0000-0000-7000-8000-000000000001',
}
const placed = {
  ...ids,
  status: 'PLACED' as const,
  total_amount: '9.50',
  currency: 'EUR',
  items: [],
  placed_at: '2026-11-22T18:30:00.000Z',
}

/** The order as it is after its steps, each a while after the one before. */
function orderAt(status: OrderReply['status'], reason: string | null = null): OrderReply {
  const first = {
    seq: 1,
    from_status: null,
    to_status: 'PLACED',
    reason: null,
    actor: 'client',
    by: null,
  } as const
  const second = {
    seq: 2,
    from_status: 'PLACED',
    to_status: status,
    reason,
    actor: 'system',
    by: null,
  } as const
  return {
    ...placed,
    status,
    customer_id: null,
    client_reference: null,
    notes: null,
    cancellation_reason: reason,
    shortages: null,
    tracking_url: 'https://shop.example/track',
    ready_at: null,
    updated_at: placed.placed_at,
    timeline: [
      { ...first, fact: null, at: placed.placed_at },
      { ...second, fact: null, at: '2026-11-22T18:30:00.012Z' },
    ],
  }
}

describe('the life of a simulated order', () => {
  /**
   * Lives it against an API that answers so, and gives what was counted. A call that is not given
   * is a failure.
   */
  async function live(fate: OrderPlan['fate'], answers: Partial<Api>): Promise<SimulationStats> {
    const unexpected = async () => {
      throw new Error('this must not be called')
    }
    const api = Object.assign(
      new Api('http://nowhere'),
      {
        placeOrder: async () => placed,
        readOrder: unexpected,
        changeStatus: unexpected,
        cancelOrder: unexpected,
      },
      answers,
    )
    const tally = new SimulationStats()
    const plan = { order: { ...ids, items: [] }, fate, kitchenMs: 0, roadMs: 0, reason: 'changed my mind' }
    const { signal } = new AbortController()
    setMaxListeners(0, signal)
    await simulateOrder({ api, calls: new CallLimit(2), tally, signal }, plan, performance.now())
    return tally
  }

  it('is polled until it is PREPARING, and timed by its own timeline', async () => {
    const seen = [orderAt('PLACED'), orderAt('PLACED'), orderAt('PREPARING')]
    const tally = await live('DELIVERED', {
      readOrder: async () => seen.shift() as OrderReply,
      changeStatus: async (_, status) => orderAt(status),
    })
    expect(tally.count('DELIVERED')).to.equal(1)
    expect(tally.latencies['PLACED → PREPARING'].count).to.equal(1)
    expect(tally.latencies['PLACED → PREPARING'].percentile(50)).to.be.closeTo(12, 0.1)
    expect(tally.latencies['GET /orders/{id}'].count).to.equal(3)
  })

  it('ends when stock is short, without further requests', async () => {
    const tally = await live('DELIVERED', { readOrder: async () => orderAt('CANCELLED', 'OUT_OF_STOCK') })
    expect(tally.count('CANCELLED, out of stock')).to.equal(1)
    expect(tally.troubles).to.deep.equal([])
  })

  it('continues after a failed read', async () => {
    let looks = 0
    const tally = await live('CANCELLED_IN_KITCHEN', {
      readOrder: async () => {
        if (looks++ === 0) throw new ApiProblem('GET', 503, 'overloaded', 'full')
        return orderAt('PREPARING')
      },
      cancelOrder: async (_, reason) => orderAt('CANCELLED', reason),
    })
    expect(tally.count('CANCELLED by customer')).to.equal(1)
    expect(tally.failureCount).to.equal(1)
  })

  it('awaits both concurrent requests, also when the first is refused', async () => {
    let refuse = () => {}
    const refused = new Promise<void>(done => (refuse = done))
    const tally = await live('CANCELLED_AT_DOOR', {
      readOrder: async () => orderAt('PREPARING'),
      changeStatus: async (_, status) => {
        if (status === 'OUT_FOR_DELIVERY') return orderAt(status)
        refuse()
        throw new ApiProblem('PATCH', 409, 'illegal-transition', 'The order is CANCELLED')
      },
      cancelOrder: async (_, reason) => {
        await refused
        await new Promise(done => setImmediate(done))
        return orderAt('CANCELLED', reason)
      },
    })
    expect(tally.count('CANCELLED by customer')).to.equal(1)
    expect(tally.troubles.map(({ code, count }) => [code, count])).to.deep.equal([['illegal-transition', 1]])
  })

  it('is counted in its last known status when a step fails', async () => {
    const tally = await live('DELIVERED', {
      readOrder: async () => orderAt('PREPARING'),
      changeStatus: async () => {
        throw new ApiProblem('PATCH', 500, 'internal', 'a bug')
      },
    })
    expect([tally.accepted, tally.count('PREPARING'), tally.failureCount]).to.deep.equal([1, 1, 1])
  })
})
