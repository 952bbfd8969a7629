import { expect } from 'chai'
import { startSystem, type TestSystem } from '../support/system.ts'

describe('the time zone of a restaurant', () => {
  let system: TestSystem

  before(async () => {
    system = await startSystem(['api'])
  })
  after(() => system.stop())

  const add = (zone?: unknown) =>
    system.api.call('POST', '/api/v1/inventory/add/restaurant', {
      name: 'Trattoria',
      ...(zone === undefined ? {} : { time_zone: zone }),
    })

  it('is UTC by default', async () => {
    expect((await add()).body).to.include({ time_zone: 'UTC' })
  })

  it('is stored, changed and shown in every answer', async () => {
    const added = await add('Asia/Kathmandu')
    expect([added.status, added.body['time_zone']]).to.deep.equal([201, 'Asia/Kathmandu'])
    const path = `/api/v1/restaurants/${String(added.body['restaurant_id'])}`
    expect((await system.api.call('GET', path)).body).to.include({ time_zone: 'Asia/Kathmandu' })
    const changed = await system.api.call('PATCH', path, { time_zone: 'Australia/Lord_Howe' })
    expect([changed.status, changed.body['time_zone']]).to.deep.equal([200, 'Australia/Lord_Howe'])
    const renamed = await system.api.call('PATCH', path, { name: 'Osteria' })
    expect(renamed.body).to.include({ name: 'Osteria', time_zone: 'Australia/Lord_Howe' })
    const list = await system.api.call<Record<string, unknown>[]>('GET', '/api/v1/restaurants')
    expect(list.body.map(({ name, time_zone }) => [name, time_zone])).to.deep.include([
      'Osteria',
      'Australia/Lord_Howe',
    ])
  })

  it('is refused when the database does not know it as a name of the IANA database', async () => {
    const { body } = await add()
    const path = `/api/v1/restaurants/${String(body['restaurant_id'])}`
    for (const zone of [
      'Europe/Atlantis',
      'europe/berlin',
      // Postgres would accept these in `at time zone`: an abbreviation and POSIX rules.
      'CEST',
      'Area/Location3',
      'Factory',
      'localtime',
      'posixrules',
      'right/UTC',
    ]) {
      const refused = [await add(zone), await system.api.call('PATCH', path, { time_zone: zone })]
      for (const { status, body: problem } of refused) {
        expect([status, problem['errors']], zone).to.deep.equal([
          422,
          [{ pointer: '/time_zone', detail: `${zone} is not a time zone that the database knows` }],
        ])
      }
    }
  })
})
