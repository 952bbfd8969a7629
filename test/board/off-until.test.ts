import { expect } from 'chai'
import { returnOf, untilInWords } from '../../src/board/browser/off-until.ts'

describe('the time until which something is off', () => {
  const until = (duration: 'hour' | 'morning' | 'for good', now: string, zone: string) =>
    returnOf(duration, Date.parse(now), zone)

  it('is an hour from now, the next morning of the restaurant, or open', () => {
    expect(until('hour', '2026-11-28T19:00:00.500Z', 'UTC')).to.equal('2026-11-28T20:00:00.500Z')
    expect(until('morning', '2026-11-28T19:00:00.500Z', 'Europe/Rome')).to.equal('2026-11-29T05:00:00.000Z')
    expect(until('morning', '2026-11-29T01:00:00Z', 'Europe/Rome')).to.equal('2026-11-29T05:00:00.000Z')
    expect(until('morning', '2026-11-29T05:00:00Z', 'Europe/Rome')).to.equal('2026-11-30T05:00:00.000Z')
    expect(until('morning', '2026-11-28T23:30:00Z', 'Asia/Kolkata')).to.equal('2026-11-29T00:30:00.000Z')
    expect(until('for good', '2026-11-28T19:00:00Z', 'UTC')).to.equal(null)
  })

  it('is 6:00 on the clock of the restaurant also when clocks change in the night', () => {
    expect(until('morning', '2026-03-28T20:00:00Z', 'Europe/Rome')).to.equal('2026-03-29T04:00:00.000Z')
    expect(until('morning', '2026-10-24T20:00:00Z', 'Europe/Rome')).to.equal('2026-10-25T05:00:00.000Z')
  })

  it('is shown with the date when it is another day, with the zone when the device has another, and with the reason', () => {
    const zone = new Date().getTimezoneOffset() === 0 ? 'Asia/Kolkata' : 'UTC'
    const now = Date.parse('2026-11-28T10:00:00Z')
    const words = (inactive_until: string | null, inactive_reason: string | null, timeZone = zone) =>
      untilInWords({ inactive_until, inactive_reason }, now, timeZone)
    expect(words('2026-11-28T12:00:00Z', 'the oven is broken')).to.match(
      /^until (17:30|12:00) \((Asia\/Kolkata|UTC)\) \(the oven is broken\)$/,
    )
    expect(words('2026-11-30T05:00:00Z', null)).to.match(/^until 30 Nov, \d\d:\d\d \(/)
    expect(words('2026-11-28T12:00:00Z', null, Intl.DateTimeFormat().resolvedOptions().timeZone)).to.match(
      /^until \d\d:\d\d$/,
    )
    expect(words(null, null)).to.equal('')
  })
})
