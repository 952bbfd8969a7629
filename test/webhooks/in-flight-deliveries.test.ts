import { expect } from 'chai'
import type { LeasedDelivery } from '../../src/webhooks/delivery/claim-deliveries.ts'
import { InFlightDeliveries } from '../../src/webhooks/delivery/in-flight-deliveries.ts'

describe('the in-flight deliveries of a worker', () => {
  let inFlight: InFlightDeliveries

  beforeEach(() => {
    inFlight = new InFlightDeliveries()
  })

  const leased = (webhook_id: string, delivery_id: string) =>
    ({ webhook_id, delivery_id, lease_id: 'lease' }) as LeasedDelivery

  function add(webhook: string, count: number): LeasedDelivery[] {
    const deliveries = Array.from({ length: count }, (_, index) => leased(webhook, `${webhook}/${index}`))
    for (const delivery of deliveries) inFlight.add({ delivery, since: 0 })
    return deliveries
  }

  it('free the capacity of a webhook after the response, and are held until the outcome is recorded', () => {
    const [first, second] = add('a', 2)
    if (!first || !second) throw new Error('nothing was added')
    expect([...inFlight.byWebhook]).to.deep.equal([['a', 2]])
    inFlight.answered(first)
    expect([...inFlight.byWebhook]).to.deep.equal([['a', 1]])
    expect(inFlight.size).to.equal(2)
    inFlight.release(first)
    expect(inFlight.all().map(({ delivery }) => delivery)).to.deep.equal([second])
    inFlight.answered(second)
    expect([...inFlight.byWebhook]).to.deep.equal([])
  })

  it('are at most ten per webhook, and fewer when the capacity of the worker runs out', () => {
    expect(inFlight.perWebhook).to.equal(10)
    for (let webhook = 0; webhook < 150; webhook++) add(String(webhook), 10)
    expect([inFlight.free, inFlight.perWebhook]).to.deep.equal([500, 5])
    add('more', 495)
    expect(inFlight.perWebhook).to.equal(1)
    add('all', 5)
    expect([inFlight.free, inFlight.perWebhook]).to.deep.equal([0, 0])
  })

  it('are idle after the last response', async () => {
    const [first, last] = add('a', 2)
    if (!first || !last) throw new Error('nothing was added')
    let isIdle = false
    const idle = inFlight.untilIdle().then(() => (isIdle = true))
    inFlight.answered(first)
    await Promise.resolve()
    expect(isIdle).to.equal(false)
    inFlight.answered(last)
    await idle
    await inFlight.untilIdle()
  })
})
