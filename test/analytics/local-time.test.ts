import { expect } from 'chai'
import { projectStats } from '../../src/analytics/project-stats.ts'
import type { StatsReply } from '../../src/analytics/stats-contract.ts'
import { quiet } from '../support/log.ts'
import { addMenu, type Menu, place } from '../support/pipeline.ts'
import { startSystem, type TestSystem } from '../support/system.ts'

const HOUR_MS = 3_600_000
const QUARTER_HOUR_MS = 900_000

describe('the statistics of a restaurant in its time zone', () => {
  let system: TestSystem
  let menu: Menu

  before(async () => {
    system = await startSystem(['api'])
  })
  beforeEach(async () => {
    menu = await addMenu(system.database, 20)
  })
  after(() => system.stop())

  const setZone = async (time_zone: string) => {
    const { status } = await system.api.call('PATCH', `/api/v1/restaurants/${menu.restaurant_id}`, {
      time_zone,
    })
    expect(status).to.equal(200)
  }

  /** Places an order at each of the given times, and counts them. */
  async function placeAt(...times: string[]): Promise<void> {
    for (const time of times) {
      const order = await place(system.database, menu)
      await system.database.execute('update orders set placed_at = $2 where order_id = $1', [order, time])
    }
    await system.database.transaction(tx => projectStats(tx, quiet))
  }

  function call<Body>(query: Record<string, string>) {
    const path = `/api/v1/restaurants/${menu.restaurant_id}/stats?${new URLSearchParams(query).toString()}`
    return system.api.call<Body>('GET', path)
  }

  async function stats(query: Record<string, string>): Promise<StatsReply> {
    const { status, body } = await call<StatsReply>(query)
    expect(status, JSON.stringify(body)).to.equal(200)
    let end = body.from
    for (const period of body.periods) {
      expect(period.start).to.equal(end)
      end = period.end
    }
    expect(end).to.equal(body.to)
    const sum = body.periods.reduce((total, { orders }) => total + orders, 0)
    expect(sum).to.equal(body.totals.orders)
    return body
  }

  const hoursOf = (period: { start: string; end: string }) =>
    (Date.parse(period.end) - Date.parse(period.start)) / HOUR_MS

  it('count each order of neighbouring days once where the offset is half an hour', async () => {
    await setZone('Asia/Kolkata')
    await placeAt(
      '2026-11-19T18:29:59.999999Z',
      '2026-11-19T18:30:00Z',
      '2026-11-20T18:29:59Z',
      '2026-11-20T18:30:00Z',
    )
    const counts: number[] = []
    for (const day of [19, 20, 21]) {
      const { totals, periods, time_zone } = await stats({
        granularity: 'day',
        from: `2026-11-${day}T00:00:00+05:30`,
        to: `2026-11-${day + 1}T00:00:00+05:30`,
      })
      expect(time_zone).to.equal('Asia/Kolkata')
      expect(periods.map(({ local_date }) => local_date)).to.deep.equal([`2026-11-${day}`])
      counts.push(totals.orders)
    }
    expect(counts).to.deep.equal([1, 2, 1])
  })

  it('count by local days and hours where the offset is three quarters of an hour', async () => {
    await setZone('Asia/Kathmandu')
    await placeAt('2026-11-19T18:14:00Z', '2026-11-19T18:15:00Z', '2026-11-20T00:20:00Z')
    const range = { from: '2026-11-19T00:00:00+05:45', to: '2026-11-21T00:00:00+05:45' }
    const days = await stats({ granularity: 'day', ...range })
    expect(days.periods.map(({ start, local_date, orders }) => [start, local_date, orders])).to.deep.equal([
      ['2026-11-18T18:15:00.000Z', '2026-11-19', 1],
      ['2026-11-19T18:15:00.000Z', '2026-11-20', 2],
    ])
    const hours = (await stats(range)).periods
    expect(hours).to.have.length(48)
    expect(
      hours.flatMap(({ start, local_time, orders }) => (orders > 0 ? [[start, local_time, orders]] : [])),
    ).to.deep.equal([
      ['2026-11-19T17:15:00.000Z', '23:00', 1],
      ['2026-11-19T18:15:00.000Z', '00:00', 1],
      ['2026-11-20T00:15:00.000Z', '06:00', 1],
    ])
  })

  const nights = [
    {
      zone: 'Europe/Berlin',
      from: '2026-10-25T00:00:00+02:00',
      to: '2026-10-26T00:00:00+01:00',
      length: 25,
      hours: [
        ['2026-10-24T23:00:00.000Z', '01:00', 1],
        ['2026-10-25T00:00:00.000Z', '02:00', 1],
        ['2026-10-25T01:00:00.000Z', '02:00', 1],
        ['2026-10-25T02:00:00.000Z', '03:00', 1],
      ],
      count: 25,
    },
    {
      zone: 'Europe/Berlin',
      from: '2026-03-29T00:00:00+01:00',
      to: '2026-03-30T00:00:00+02:00',
      length: 23,
      hours: [
        ['2026-03-29T00:00:00.000Z', '01:00', 1],
        ['2026-03-29T01:00:00.000Z', '03:00', 1],
        ['2026-03-29T02:00:00.000Z', '04:00', 1],
      ],
      count: 23,
    },
    {
      zone: 'America/New_York',
      from: '2026-11-01T00:00:00-04:00',
      to: '2026-11-02T00:00:00-05:00',
      length: 25,
      hours: [
        ['2026-11-01T05:00:00.000Z', '01:00', 1],
        ['2026-11-01T06:00:00.000Z', '01:00', 1],
        ['2026-11-01T07:00:00.000Z', '02:00', 1],
      ],
      count: 25,
    },
    {
      zone: 'America/New_York',
      from: '2026-03-08T00:00:00-05:00',
      to: '2026-03-09T00:00:00-04:00',
      length: 23,
      hours: [
        ['2026-03-08T06:00:00.000Z', '01:00', 1],
        ['2026-03-08T07:00:00.000Z', '03:00', 1],
      ],
      count: 23,
    },
    {
      zone: 'Australia/Lord_Howe',
      from: '2026-04-05T00:00:00+11:00',
      to: '2026-04-06T00:00:00+10:30',
      length: 24.5,
      hours: [
        ['2026-04-04T14:00:00.000Z', '01:00', 1],
        ['2026-04-04T15:00:00.000Z', '01:30', 1],
        ['2026-04-04T15:30:00.000Z', '02:00', 1],
      ],
      count: 25,
    },
    {
      zone: 'Australia/Lord_Howe',
      from: '2026-10-04T00:00:00+10:30',
      to: '2026-10-05T00:00:00+11:00',
      length: 23.5,
      hours: [
        ['2026-10-03T14:30:00.000Z', '01:00', 1],
        ['2026-10-03T15:30:00.000Z', '02:30', 1],
        ['2026-10-03T16:00:00.000Z', '03:00', 1],
      ],
      count: 24,
    },
    {
      // Midnight comes twice.
      zone: 'America/Havana',
      from: '2026-11-01T00:00:00-04:00',
      to: '2026-11-02T00:00:00-05:00',
      length: 25,
      hours: [
        ['2026-11-01T04:00:00.000Z', '00:00', 1],
        ['2026-11-01T05:00:00.000Z', '00:00', 1],
        ['2026-11-01T06:00:00.000Z', '01:00', 1],
      ],
      count: 25,
    },
    {
      // Midnight does not exist.
      zone: 'Africa/Cairo',
      from: '2026-04-24T01:00:00+03:00',
      to: '2026-04-25T00:00:00+03:00',
      length: 23,
      hours: [
        ['2026-04-23T22:00:00.000Z', '01:00', 1],
        ['2026-04-23T23:00:00.000Z', '02:00', 1],
      ],
      count: 23,
    },
  ] as const

  for (const { zone, from, to, length, hours, count } of nights) {
    it(`have a day of ${length} hours in ${zone} when the clocks change on ${from.slice(0, 10)}`, async () => {
      await setZone(zone)
      await placeAt(...hours.map(([start]) => start))
      const byHour = await stats({ from, to })
      expect(byHour.periods).to.have.length(count)
      const withOrders = byHour.periods.filter(({ orders }) => orders > 0)
      expect(withOrders.map(({ start, local_time, orders }) => [start, local_time, orders])).to.deep.equal(
        hours,
      )
      // The days before and after are there too, so that only the database can set the bounds.
      const byDay = await stats({
        granularity: 'day',
        from: new Date(Date.parse(from) - 6 * HOUR_MS).toISOString(),
        to: new Date(Date.parse(to) + 6 * HOUR_MS).toISOString(),
      })
      expect(byDay.periods).to.have.length(3)
      expect(byDay.periods[1]).to.include({
        start: new Date(from).toISOString(),
        end: new Date(to).toISOString(),
        local_date: from.slice(0, 10),
        orders: hours.length,
      })
      expect(byDay.periods.map(hoursOf)).to.deep.equal([6, length, 6])
    })
  }

  it('sum to the number of orders, wherever neighbouring ranges meet', async () => {
    await setZone('Australia/Lord_Howe')
    const begin = Date.parse('2026-04-04T00:00:00Z')
    const at = (quarters: number) => new Date(begin + quarters * QUARTER_HOUR_MS).toISOString()
    await placeAt(...Array.from({ length: 40 }, (_, n) => new Date(begin + n * 3_599_999).toISOString()))
    const cuts = [0, 1, 7, 30, 59, 60, 61, 62, 63, 64, 100, 161]
    for (const granularity of ['hour', 'day']) {
      let orders = 0
      for (const [index, cut] of cuts.slice(1).entries()) {
        const part = await stats({ granularity, from: at(cuts[index] ?? 0), to: at(cut) })
        orders += part.totals.orders
      }
      expect(orders, granularity).to.equal(40)
    }
  })

  it('are regrouped by a change of the time zone, without being counted again', async () => {
    await placeAt('2026-11-20T23:30:00Z')
    const query = { granularity: 'day', from: '2026-11-20T12:00:00Z', to: '2026-11-21T12:00:00Z' }
    const dates = async () =>
      (await stats(query)).periods.map(({ local_date, orders }) => [local_date, orders])
    expect(await dates()).to.deep.equal([
      ['2026-11-20', 1],
      ['2026-11-21', 0],
    ])
    await setZone('Europe/Berlin')
    expect(await dates()).to.deep.equal([
      ['2026-11-20', 0],
      ['2026-11-21', 1],
    ])
  })

  it('cut the first and the last period at the ends of the range', async () => {
    await placeAt(
      '2026-11-20T10:10:00Z',
      '2026-11-20T10:20:00Z',
      '2026-11-20T12:10:00Z',
      '2026-11-20T12:15:00Z',
    )
    const { periods } = await stats({ from: '2026-11-20T10:15:00Z', to: '2026-11-20T12:15:00.000Z' })
    expect(periods.map(({ start, end, orders }) => [start, end, orders])).to.deep.equal([
      ['2026-11-20T10:15:00.000Z', '2026-11-20T11:00:00.000Z', 1],
      ['2026-11-20T11:00:00.000Z', '2026-11-20T12:00:00.000Z', 0],
      ['2026-11-20T12:00:00.000Z', '2026-11-20T12:15:00.000Z', 1],
    ])
  })

  it('are of the last 24 hours or 31 days by default, up to the end of the current period', async () => {
    await setZone('Asia/Kathmandu')
    await place(system.database, menu)
    await system.database.transaction(tx => projectStats(tx, quiet))
    const hours = await stats({})
    expect(hours).to.include({ granularity: 'hour' })
    expect(hours.periods).to.have.length(24)
    expect(hours.periods.map(hoursOf)).to.deep.equal(Array.from({ length: 24 }, () => 1))
    const days = await stats({ granularity: 'day' })
    expect(days.periods).to.have.length(31)
    expect(new Set(days.periods.map(({ local_time }) => local_time))).to.deep.equal(new Set(['00:00']))
    // The period may have ended in between.
    for (const { periods } of [hours, days])
      expect(periods.slice(-2).map(({ orders }) => orders)).to.include(1)
    const given = await stats({ granularity: 'day', to: '2026-03-01T00:00:00+05:45' })
    expect([given.from, given.to]).to.deep.equal(['2026-01-28T18:15:00.000Z', '2026-02-28T18:15:00.000Z'])
  })

  it('cover every month by hour and every year by day', async () => {
    await setZone('Europe/Berlin')
    const october = { from: '2026-10-01T00:00:00+02:00', to: '2026-11-01T00:00:00+01:00' }
    expect((await stats(october)).periods).to.have.length(745)
    const leapYear = { from: '2028-01-01T00:00:00+01:00', to: '2029-01-01T00:00:00+01:00' }
    expect((await stats({ granularity: 'day', ...leapYear })).periods).to.have.length(366)
  })

  it('refuse a range that is empty or too long, and times off a quarter hour', async () => {
    const quarter = 'must be the beginning of a quarter hour: minute 00, 15, 30 or 45'
    const year = 'must be in a year from 1970 to 9998'
    const time = 'must be a time like 2026-11-22T18:30:00Z'
    const by = (days: number, granularity: string) =>
      `must be after \`from\`, by at most ${days} days with granularity=${granularity}`
    const from = '2026-01-01T00:00:00Z'
    const refused: [Record<string, string>, parameter: string, detail: string][] = [
      [{ from: '2026-01-01T00:10:00Z' }, 'from', quarter],
      [{ from: '2026-01-01T00:15:01Z' }, 'from', quarter],
      [{ to: '2026-01-01T00:15:00.0001Z' }, 'to', quarter],
      [{ to: '2026-01-01T00:00:00+05:20' }, 'to', quarter],
      [{ from: 'yesterday' }, 'from', time],
      [{ from: '0000-01-01T00:00:00Z' }, 'from', year],
      [{ to: '9999-12-31T00:00:00Z' }, 'to', year],
      [{ granularity: 'week' }, 'granularity', 'must be one of hour, day'],
      [{ since: '1' }, 'since', 'is not a known parameter'],
      [{ from, to: from }, 'to', by(32, 'hour')],
      [{ from, to: '2025-12-31T00:00:00Z' }, 'to', by(32, 'hour')],
      [{ from, to: '2026-02-02T00:15:00Z' }, 'to', by(32, 'hour')],
      [{ granularity: 'day', from, to: '2027-01-03T00:15:00Z' }, 'to', by(367, 'day')],
      [{ from: '2999-01-01T00:00:00Z' }, 'to', by(32, 'hour')],
    ]
    for (const [query, parameter, detail] of refused) {
      const { status, body } = await call<{ code: string; errors: unknown }>(query)
      expect([status, body.code, body.errors], JSON.stringify(query)).to.deep.equal([
        400,
        'query-invalid',
        [{ parameter, detail }],
      ])
    }
    const longest = await stats({ from, to: '2026-02-02T00:00:00Z' })
    expect(longest.periods).to.have.length(768)
  })
})
