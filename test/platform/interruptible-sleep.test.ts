import { expect } from 'chai'
import { InterruptibleSleep } from '../../src/platform/interruptible-sleep.ts'

/** Longer than any test runs: whoever waits it out fails. */
const LONG_MS = 3_600_000

describe('the rest of a loop', () => {
  it('ends when its time is up', async () => {
    const rest = new InterruptibleSleep(() => false)
    const began = performance.now()
    await rest.take(20)
    // A timer counts whole milliseconds.
    expect(performance.now() - began).to.be.at.least(19)
  })

  it('ends when it is interrupted, and the next is whole again', async () => {
    const rest = new InterruptibleSleep(() => false)
    const first = rest.take(LONG_MS)
    rest.interrupt()
    await first
    let hasEnded = false
    const second = rest.take(LONG_MS).then(() => (hasEnded = true))
    await new Promise(done => setImmediate(done))
    expect(hasEnded).to.equal(false)
    rest.interrupt()
    await second
  })

  it('is not interrupted in advance', async () => {
    const rest = new InterruptibleSleep(() => false)
    rest.interrupt()
    const began = performance.now()
    await rest.take(20)
    expect(performance.now() - began).to.be.at.least(19)
  })

  it('does not begin when the loop is to end, or there is no time to wait', async () => {
    await new InterruptibleSleep(() => true).take(LONG_MS)
    await new InterruptibleSleep(() => false).take(-1)
    await new InterruptibleSleep(() => false).take(0)
  })
})
