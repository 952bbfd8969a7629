import { expect } from 'chai'
import { newId, timeOfId } from '../../src/platform/ids.ts'
import { withSkewedClock } from '../support/skew-clock.ts'

type Clock = typeof import('../../src/platform/clock.ts')

const MINUTE_MS = 60_000
let count = 0

/** Returns a clock that knows no time yet, apart from the one that the process uses. */
async function newClock(): Promise<Clock> {
  return (await import(`../../src/platform/clock.ts?test=${++count}`)) as Clock
}

describe('the clock', () => {
  const databaseMs = Date.parse('2031-05-06T07:08:09Z')

  it('knows no time before it is measured', async () => {
    const { now, nowMs, systemClockSkewMs } = await newClock()
    for (const read of [now, nowMs, systemClockSkewMs])
      expect(read).to.throw('the time is unknown until a database has been opened')
  })

  it('has the time of the database, whatever the system clock says', async () => {
    const { addClockSample, nowMs, now } = await newClock()
    const at = performance.now()
    addClockSample(at, databaseMs, at)
    const expectDatabaseTime = () =>
      expect(nowMs()).to.be.within(databaseMs - 1, databaseMs + (performance.now() - at))
    expectDatabaseTime()
    await withSkewedClock(10 * MINUTE_MS, async () => {
      expectDatabaseTime()
      expect(now().getUTCFullYear()).to.equal(2031)
    })
  })

  it('reports how far the system clock is ahead or behind', async () => {
    const { addClockSample, systemClockSkewMs } = await newClock()
    const at = performance.now()
    addClockSample(at, Date.now(), at)
    expect(systemClockSkewMs()).to.be.within(-50, 50)
    for (const skewMs of [10 * MINUTE_MS, -10 * MINUTE_MS])
      await withSkewedClock(skewMs, async () => expect(systemClockSkewMs() - skewMs).to.be.within(-50, 50))
  })

  it('follows the measurement with the shortest round trip, and assumes its middle', async () => {
    const { addClockSample, nowMs } = await newClock()
    const at = performance.now()
    const timeAt = () => nowMs() - (performance.now() - at)
    addClockSample(at, databaseMs + 400, at + 1_000)
    expect(timeAt()).to.be.closeTo(databaseMs - 100, 2)
    addClockSample(at, databaseMs + 5, at + 10)
    expect(timeAt()).to.be.closeTo(databaseMs, 2)
    addClockSample(at, databaseMs + 700, at + 1_000)
    expect(timeAt()).to.be.closeTo(databaseMs, 2)
  })

  it('follows a less precise measurement once the clocks may have drifted as far', async () => {
    const { addClockSample, nowMs } = await newClock()
    const at = performance.now()
    const timeAt = () => nowMs() - (performance.now() - at)
    addClockSample(at, databaseMs, at)
    const later = at + 10 * MINUTE_MS
    addClockSample(later, databaseMs + 10 * MINUTE_MS + 70, later + 100)
    expect(timeAt()).to.be.closeTo(databaseMs + 20, 2)
  })

  it('follows a database whose clock was set', async () => {
    const { addClockSample, nowMs } = await newClock()
    const at = performance.now()
    const timeAt = () => nowMs() - (performance.now() - at)
    addClockSample(at, databaseMs, at)
    addClockSample(at, databaseMs - MINUTE_MS, at + 100)
    expect(timeAt()).to.be.closeTo(databaseMs - MINUTE_MS - 50, 2)
  })

  it('gives ids its time, and never one below an earlier id', async () => {
    const clock = await import('../../src/platform/clock.ts')
    const first = newId()
    await withSkewedClock(-10 * MINUTE_MS, async () => {
      const next = newId()
      expect(next > first).to.equal(true)
      expect(timeOfId(next).getTime()).to.be.within(clock.nowMs() - 1_000, clock.nowMs())
    })
    await withSkewedClock(10 * MINUTE_MS, async () =>
      expect(timeOfId(newId()).getTime()).to.be.within(clock.nowMs() - 1_000, clock.nowMs()),
    )
  })
})
