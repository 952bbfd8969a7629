import { expect } from 'chai'
import { type Held, InFlightDeliveries } from '../../src/webhooks/delivery/in-flight-deliveries.ts'
import type { TakenDelivery } from '../../src/webhooks/delivery/load-deliveries.ts'

const CONCURRENCY = 2
/** Deliveries of one webhook that a worker holds at most. */
const HELD_COUNT = 40

/** Deliveries are named by webhook, order and position within the order: `a/1/2`. */
describe('the in-flight deliveries of a worker', () => {
  let inFlight: InFlightDeliveries

  beforeEach(() => {
    inFlight = new InFlightDeliveries(CONCURRENCY)
  })

  function held(name: string, more: Partial<TakenDelivery> = {}): Held {
    const [webhook_id = '', order_id = ''] = name.split('/')
    const ids = { delivery_id: name, webhook_id, event_id: name, restaurant_id: null }
    const delivery: TakenDelivery = {
      ...ids,
      order_id: order_id === '' ? null : order_id,
      type: 'order.placed.v1',
      state: 'QUEUED',
      job_id: name,
      requested: false,
      url: 'https://example.com',
      webhook_status: 'ACTIVE',
      secrets: [],
      payload: null,
      trace_context: null,
      ahead: [],
      is_early: false,
      ...more,
    }
    return {
      job: { id: name, retryCount: 0, data: { ...ids, type: delivery.type, order_id } },
      delivery,
      since: 0,
    }
  }

  /** Takes all deliveries that may be sent now, in sending order. */
  function sendable(): Held[] {
    const all: Held[] = []
    for (let next = inFlight.next(); next; next = inFlight.next()) all.push(next)
    return all
  }

  const names = (deliveries: readonly Held[]) => deliveries.map(({ delivery }) => delivery.delivery_id)

  function end(deliveries: readonly Held[], isSettled = true): Held[] {
    return deliveries.flatMap(each => {
      inFlight.answered(each)
      return inFlight.settled(each, isSettled)
    })
  }

  it('are sent one after the other per order, each after the outcome of the previous is committed', () => {
    for (const [name, ahead] of [
      ['a/1/1', []],
      ['a/1/2', ['a/1/1']],
      ['a/1/3', ['a/1/1', 'a/1/2']],
    ] as const)
      expect(inFlight.take(held(name, { ahead: [...ahead] }))).to.equal('HELD')
    for (const name of ['a/1/1', 'a/1/2', 'a/1/3']) {
      const now = sendable()
      expect(names(now)).to.deep.equal([name])
      for (const each of now) inFlight.answered(each)
      expect(sendable(), 'before the outcome is committed').to.deep.equal([])
      for (const each of now) inFlight.settled(each, true)
    }
    expect(inFlight.size).to.equal(0)
  })

  it('exclude a delivery whose predecessor is elsewhere or not dispatched yet', () => {
    expect(inFlight.take(held('a/1/2', { ahead: ['a/1/1'] }))).to.equal('AWAITS_TURN')
    expect(inFlight.take(held('a/2/2', { is_early: true }))).to.equal('AWAITS_TURN')
    inFlight.take(held('a/3/2'))
    expect(inFlight.take(held('a/3/3', { ahead: ['a/3/1', 'a/3/2'] }))).to.equal('AWAITS_TURN')
    expect(names(inFlight.all())).to.deep.equal(['a/3/2'])
  })

  it('release the later deliveries of an order when one needs a retry', () => {
    inFlight.take(held('a/1/1'))
    inFlight.take(held('a/1/2', { ahead: ['a/1/1'] }))
    inFlight.take(held('a/1/3', { ahead: ['a/1/1', 'a/1/2'] }))
    inFlight.take(held('a/2/1'))
    const [first, other] = sendable()
    expect(names(end(first ? [first] : [], false))).to.deep.equal(['a/1/2', 'a/1/3'])
    expect(names(inFlight.all())).to.deep.equal(names(other ? [other] : []))
  })

  it('are sent with a concurrency limit per webhook, round robin over the webhooks', () => {
    for (const order of [1, 2, 3]) for (const webhook of 'ab') inFlight.take(held(`${webhook}/${order}/1`))
    const now = sendable()
    expect(names(now)).to.deep.equal(['a/1/1', 'b/1/1', 'a/2/1', 'b/2/1'])
    end(now.filter(({ delivery }) => delivery.webhook_id === 'b'))
    expect(names(sendable()), 'a webhook that does not respond uses only its own capacity').to.deep.equal([
      'b/3/1',
    ])
  })

  it('are limited per webhook, with capacity for another after an outcome is committed', () => {
    for (let order = 1; order <= HELD_COUNT; order++)
      expect(inFlight.take(held(`a/${order}/1`))).to.equal('HELD')
    expect(inFlight.roomFor('a')).to.equal(0)
    expect(inFlight.take(held('a/more/1'))).to.equal('AWAITS_ROOM')
    expect(inFlight.take(held('b/1/1'))).to.equal('HELD')
    const [first] = sendable()
    if (first) inFlight.answered(first)
    expect(inFlight.roomFor('a'), 'answered, but not committed').to.equal(0)
    if (first) inFlight.settled(first, true)
    expect(inFlight.roomFor('a')).to.equal(1)
    expect(inFlight.take(held('a/more/1'))).to.equal('HELD')
  })

  it('are limited to the concurrency of a webhook when the worker is full', () => {
    for (let webhook = 0; webhook < 25; webhook++)
      for (let order = 0; order < HELD_COUNT; order++) inFlight.take(held(`${webhook}/${order}/1`))
    expect(inFlight.size).to.equal(1_000)
    expect(inFlight.roomFor('new')).to.equal(CONCURRENCY)
    for (const name of ['new/1/1', 'new/2/1']) expect(inFlight.take(held(name))).to.equal('HELD')
    expect(inFlight.take(held('new/3/1'))).to.equal('AWAITS_ROOM')
  })

  it('do not wait for predecessors when they have no order, were requested, or are redriven', () => {
    inFlight.take(held('a/1/1'))
    for (const more of [{ requested: true }, { state: 'DEAD' as const }, { order_id: null }]) {
      inFlight = new InFlightDeliveries(CONCURRENCY)
      inFlight.take(held('a/1/1'))
      expect(inFlight.take(held('a/1/2', { ahead: ['a/1/1', 'a/1/0'], is_early: true, ...more }))).to.equal(
        'HELD',
      )
      expect(names(sendable())).to.deep.equal(['a/1/1', 'a/1/2'])
    }
  })

  it('drop a delivery that is not to be sent, with the later ones of its order', async () => {
    inFlight.take(held('a/1/1'))
    inFlight.take(held('a/1/2', { ahead: ['a/1/1'] }))
    const [first] = sendable()
    if (first) inFlight.drop(first)
    expect(inFlight.size).to.equal(0)
    await inFlight.untilIdle()
  })

  it('are idle after the last response, and are returned when cleared', async () => {
    inFlight.take(held('a/1/1'))
    inFlight.take(held('b/1/1'))
    const now = sendable()
    let isIdle = false
    const idle = inFlight.untilIdle().then(() => (isIdle = true))
    const [first, last] = now
    if (first) inFlight.answered(first)
    await Promise.resolve()
    expect(isIdle).to.equal(false)
    if (last) inFlight.answered(last)
    await idle
    expect(names(inFlight.clear())).to.deep.equal(['a/1/1', 'b/1/1'])
    expect([inFlight.size, inFlight.next()]).to.deep.equal([0, undefined])
  })
})
