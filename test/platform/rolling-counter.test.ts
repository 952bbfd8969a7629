import { expect } from 'chai'
import { RollingCounter } from '../../src/platform/rolling-counter.ts'

describe('a rolling counter', () => {
  it('sums the events of the last minute and drops older ones', () => {
    const counter = new RollingCounter()
    counter.add(3, 5_000)
    counter.add(4, 5_900)
    counter.add(5, 40_000)
    expect(counter.count(64_999)).to.equal(12)
    expect(counter.count(65_000)).to.equal(5)
    expect(counter.count(100_000)).to.equal(0)
    counter.add(1, 500_000)
    expect(counter.count(500_000)).to.equal(1)
  })
})
