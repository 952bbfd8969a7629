import { expect } from 'chai'
import { PollLoop, type PollLoopOptions } from '../../src/platform/poll-loop.ts'
import { until } from '../support/until.ts'

/** Longer than any test: a loop that waits this long without a wake-up fails the test. */
const LONG_MS = 3_600_000

describe('a poll loop', () => {
  let loop: PollLoop
  let runs: boolean[] = []
  let errors: unknown[] = []

  afterEach(() => loop.stop())

  /** A loop that records each run, with whether it was woken. */
  function loopOf(options: Partial<PollLoopOptions> = {}): PollLoop {
    runs = []
    errors = []
    const { run, ...rest } = options
    loop = new PollLoop({
      intervalMs: LONG_MS,
      onError: error => errors.push(error),
      ...rest,
      run: async isWoken => {
        runs.push(isWoken)
        return await run?.(isWoken)
      },
    })
    return loop
  }

  const nextTurn = () => new Promise(done => setImmediate(done))

  /** Work that is in progress until it is ended. */
  function openWork() {
    let end = (_more: boolean): void => undefined
    let inProgress = 0
    let most = 0
    const run = async () => {
      most = Math.max(most, ++inProgress)
      const more = await new Promise<boolean>(done => (end = done))
      inProgress--
      return more
    }
    return { run, end: (more = false) => end(more), most: () => most }
  }

  it('runs at start and again after each interval', async () => {
    loopOf({ intervalMs: 1 }).start()
    await until('it has run three times', () => runs.length >= 3)
    expect(runs).to.not.include(true)
  })

  it('can delay its first run, unless it is woken', async () => {
    loopOf().start(LONG_MS)
    await nextTurn()
    expect(runs).to.deep.equal([])
    loop.wake()
    await until('it has run', () => runs.length === 1)
    expect(runs).to.deep.equal([true])
  })

  it('runs at once when it is woken while it waits', async () => {
    loopOf().start()
    await nextTurn()
    loop.wake()
    await until('it has run again', () => runs.length === 2)
    expect(runs).to.deep.equal([false, true])
  })

  it('runs once more, and never twice at the same time, when it is woken many times during a run', async () => {
    const work = openWork()
    loopOf({ run: work.run }).start()
    await nextTurn()
    for (let count = 0; count < 5; count++) loop.wake()
    work.end()
    await until('it runs again', () => runs.length === 2)
    work.end()
    await nextTurn()
    await nextTurn()
    expect(runs).to.deep.equal([false, true])
    expect(work.most()).to.equal(1)
  })

  it('runs again without waiting while a run returns that more is left', async () => {
    let left = 3
    loopOf({ run: async () => --left > 0 }).start()
    await until('it has run three times', () => runs.length === 3)
    expect(runs).to.deep.equal([false, true, true])
  })

  it('starts runs no more often than the shortest interval, however often it is woken', async () => {
    const startedAt: number[] = []
    const run = async () => {
      startedAt.push(performance.now())
      loop.wake()
    }
    loopOf({ run, minIntervalMs: 20 }).start()
    await until('it has run three times', () => startedAt.length >= 3)
    const [first = 0, , third = 0] = startedAt
    // Each of the two timers may fire up to 1 ms early, plus the time from firing to the clock.
    expect(third - first).to.be.at.least(36)
  })

  it('repeats a run that throws, with a growing delay, until one succeeds', async () => {
    const startedAt: number[] = []
    const run = async () => {
      startedAt.push(performance.now())
      // Wake-ups do not shorten the wait.
      setImmediate(() => loop.wake())
      if (startedAt.length <= 2) throw new Error(`failure ${startedAt.length}`)
    }
    loopOf({ run }).start()
    await until('it has run three times', () => startedAt.length >= 3)
    expect(errors.map(String)).to.deep.equal(['Error: failure 1', 'Error: failure 2'])
    const [first = 0, second = 0, third = 0] = startedAt
    expect(second - first).to.be.at.least(98)
    expect(third - second).to.be.at.least(198)
    expect(runs.slice(0, 3)).to.deep.equal([false, true, true])
  })

  it('stops after the run in progress, and starts no other', async () => {
    const work = openWork()
    loopOf({ run: work.run }).start()
    await nextTurn()
    let isStopped = false
    const stopped = loop.stop().then(() => (isStopped = true))
    await nextTurn()
    expect(isStopped).to.equal(false)
    work.end(true)
    await stopped
    loop.wake()
    await nextTurn()
    expect(runs).to.have.lengthOf(1)
  })

  it('stops at once while it waits for the interval, after an error, or for its first run', async () => {
    loopOf().start()
    await nextTurn()
    await loop.stop()
    loopOf({ run: () => Promise.reject(new Error('down')) }).start()
    await nextTurn()
    await loop.stop()
    expect(errors).to.have.lengthOf(1)
    loopOf().start(LONG_MS)
    await loop.stop()
    expect(runs).to.deep.equal([])
  })

  it('can be started again after it was stopped, and while it is being stopped', async () => {
    const work = openWork()
    loopOf({ run: work.run }).start()
    await nextTurn()
    const stopped = loop.stop()
    loop.start()
    loop.wake()
    work.end()
    await until('it goes on', () => runs.length === 2)
    const again = loop.stop()
    work.end()
    await Promise.all([stopped, again])
    loop.start()
    await until('it runs again', () => runs.length === 3)
    work.end()
  })
})
