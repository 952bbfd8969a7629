import { expect } from 'chai'
import { type Held, InFlightDeliveries } from '../../src/webhooks/delivery/in-flight-deliveries.ts'
import type { TakenDelivery } from '../../src/webhooks/delivery/load-deliveries.ts'

const CONCURRENCY = 2
/** What one webhook may have in a worker's hands. */
const HELD_COUNT = 40

/** Deliveries are named by who gets them, the order they are about, and their place in it: `a/1/2`. */
describe('the hands of a worker', () => {
  let hands: InFlightDeliveries

  beforeEach(() => {
    hands = new InFlightDeliveries(CONCURRENCY)
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

  /** Everything that may be sent now, in turn. */
  function sendable(): Held[] {
    const all: Held[] = []
    for (let next = hands.next(); next; next = hands.next()) all.push(next)
    return all
  }

  const names = (those: readonly Held[]) => those.map(({ delivery }) => delivery.delivery_id)

  function end(those: readonly Held[], isSettled = true): Held[] {
    return those.flatMap(each => {
      hands.answered(each)
      return hands.settled(each, isSettled)
    })
  }

  it('send those of an order one after the other, each when the one before it is on disk', () => {
    for (const [name, ahead] of [
      ['a/1/1', []],
      ['a/1/2', ['a/1/1']],
      ['a/1/3', ['a/1/1', 'a/1/2']],
    ] as const)
      expect(hands.take(held(name, { ahead: [...ahead] }))).to.equal('HELD')
    for (const name of ['a/1/1', 'a/1/2', 'a/1/3']) {
      const now = sendable()
      expect(names(now)).to.deep.equal([name])
      for (const each of now) hands.answered(each)
      expect(sendable(), 'before it is settled').to.deep.equal([])
      for (const each of now) hands.settled(each, true)
    }
    expect(hands.size).to.equal(0)
  })

  it('leave one waiting that comes behind what is elsewhere, or not even dispatched', () => {
    expect(hands.take(held('a/1/2', { ahead: ['a/1/1'] }))).to.equal('AWAITS_TURN')
    expect(hands.take(held('a/2/2', { is_early: true }))).to.equal('AWAITS_TURN')
    hands.take(held('a/3/2'))
    expect(hands.take(held('a/3/3', { ahead: ['a/3/1', 'a/3/2'] }))).to.equal('AWAITS_TURN')
    expect(names(hands.all())).to.deep.equal(['a/3/2'])
  })

  it('let go of what is behind one that has to be tried again', () => {
    hands.take(held('a/1/1'))
    hands.take(held('a/1/2', { ahead: ['a/1/1'] }))
    hands.take(held('a/1/3', { ahead: ['a/1/1', 'a/1/2'] }))
    hands.take(held('a/2/1'))
    const [first, other] = sendable()
    expect(names(end(first ? [first] : [], false))).to.deep.equal(['a/1/2', 'a/1/3'])
    expect(names(hands.all())).to.deep.equal(names(other ? [other] : []))
  })

  it('send so many at once to a webhook, and webhooks take turns', () => {
    for (const order of [1, 2, 3]) for (const webhook of 'ab') hands.take(held(`${webhook}/${order}/1`))
    const now = sendable()
    expect(names(now)).to.deep.equal(['a/1/1', 'b/1/1', 'a/2/1', 'b/2/1'])
    end(now.filter(({ delivery }) => delivery.webhook_id === 'b'))
    expect(names(sendable()), 'one that does not answer keeps its own only').to.deep.equal(['b/3/1'])
  })

  it('hold so many of a webhook, and have room again when one is settled', () => {
    for (let order = 1; order <= HELD_COUNT; order++)
      expect(hands.take(held(`a/${order}/1`))).to.equal('HELD')
    expect(hands.roomFor('a')).to.equal(0)
    expect(hands.take(held('a/more/1'))).to.equal('AWAITS_ROOM')
    expect(hands.take(held('b/1/1'))).to.equal('HELD')
    const [first] = sendable()
    if (first) hands.answered(first)
    expect(hands.roomFor('a'), 'answered, but not on disk').to.equal(0)
    if (first) hands.settled(first, true)
    expect(hands.roomFor('a')).to.equal(1)
    expect(hands.take(held('a/more/1'))).to.equal('HELD')
  })

  it('hold no more of a webhook than it can have under way once they are full', () => {
    for (let webhook = 0; webhook < 25; webhook++)
      for (let order = 0; order < HELD_COUNT; order++) hands.take(held(`${webhook}/${order}/1`))
    expect(hands.size).to.equal(1_000)
    expect(hands.roomFor('new')).to.equal(CONCURRENCY)
    for (const name of ['new/1/1', 'new/2/1']) expect(hands.take(held(name))).to.equal('HELD')
    expect(hands.take(held('new/3/1'))).to.equal('AWAITS_ROOM')
  })

  it('let nothing wait that is about no order, was asked for by hand, or is redriven', () => {
    hands.take(held('a/1/1'))
    for (const more of [{ requested: true }, { state: 'DEAD' as const }, { order_id: null }]) {
      hands = new InFlightDeliveries(CONCURRENCY)
      hands.take(held('a/1/1'))
      expect(hands.take(held('a/1/2', { ahead: ['a/1/1', 'a/1/0'], is_early: true, ...more }))).to.equal(
        'HELD',
      )
      expect(names(sendable())).to.deep.equal(['a/1/1', 'a/1/2'])
    }
  })

  it('drop what was given out and is not to be sent, with what is behind it', async () => {
    hands.take(held('a/1/1'))
    hands.take(held('a/1/2', { ahead: ['a/1/1'] }))
    const [first] = sendable()
    if (first) hands.drop(first)
    expect(hands.size).to.equal(0)
    await hands.untilIdle()
  })

  it('are idle when the last answer is there, and hand back what they hold', async () => {
    hands.take(held('a/1/1'))
    hands.take(held('b/1/1'))
    const now = sendable()
    let isIdle = false
    const idle = hands.untilIdle().then(() => (isIdle = true))
    const [first, last] = now
    if (first) hands.answered(first)
    await Promise.resolve()
    expect(isIdle).to.equal(false)
    if (last) hands.answered(last)
    await idle
    expect(names(hands.clear())).to.deep.equal(['a/1/1', 'b/1/1'])
    expect([hands.size, hands.next()]).to.deep.equal([0, undefined])
  })
})
