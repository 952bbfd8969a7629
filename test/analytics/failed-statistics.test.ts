import { expect } from 'chai'
import { projectStats } from '../../src/analytics/project-stats.ts'
import { rebuildStats } from '../../src/analytics/rebuild-stats.ts'
import type { StatsReply } from '../../src/analytics/stats-contract.ts'
import { quiet, recordingLog } from '../support/log.ts'
import { addMenu, cancel, type Menu, place } from '../support/pipeline.ts'
import { startSystem, type TestSystem } from '../support/system.ts'

describe('statistics that cannot be counted', () => {
  let system: TestSystem
  let menus: Menu[]

  beforeEach(async () => {
    system = await startSystem(['api'])
    menus = []
    for (let count = 0; count < 7; count++) menus.push(await addMenu(system.database, 20))
  })
  afterEach(() => system.stop())

  const menu = (index: number) => menus[index] as Menu
  const idOf = (index: number) => menu(index).restaurant_id

  async function project(log = quiet): Promise<void> {
    while (await system.database.transaction(tx => projectStats(tx, log)));
  }

  async function stats(index: number): Promise<StatsReply> {
    const path = `/api/v1/restaurants/${idOf(index)}/stats`
    return (await system.api.call<StatsReply>('GET', path)).body
  }

  const ordersOf = async (index: number) => (await stats(index)).totals.orders

  /** Places and cancels an order at every restaurant; the last event of some has no valid time. */
  async function damage(...indexes: number[]): Promise<void> {
    for (const each of menus) await cancel(system.database, await place(system.database, each))
    await system.database.execute(
      `update outbox_events set payload = payload || '{"at":"yesterday-ish"}'
      where type = 'order.cancelled.v1' and restaurant_id = any($1)`,
      [indexes.map(idOf)],
    )
  }

  const setAside = () =>
    system.database.query<{ restaurant_id: string; error: string }>(
      'select restaurant_id, error from ops.failed_statistics order by restaurant_id',
    )

  it('are set aside and named, while those of all other restaurants are counted', async () => {
    for (const each of menus) await place(system.database, each)
    await project()
    const before = await stats(1)
    await damage(1, 4)
    const { log, lines } = recordingLog()
    await project(log)

    const failed = [1, 4].map(index => ({
      restaurant_id: idOf(index),
      error: 'invalid input syntax for type timestamp with time zone: "yesterday-ish"',
    }))
    expect(await setAside()).to.have.deep.members(failed)
    expect(
      lines.map(({ level, msg, restaurant_id }) => ({ level, msg, restaurant_id })),
    ).to.have.deep.members(
      failed.map(({ restaurant_id }) => ({
        level: 50,
        msg: 'statistics of a restaurant failed and are set aside',
        restaurant_id,
      })),
    )
    const [projection] = await system.database.query('select failed, pending from ops.projections')
    expect(projection).to.deep.equal({ failed: 2, pending: 0 })
    const metrics = await (await fetch(`${system.api.baseUrl}/metrics`)).text()
    expect(metrics).to.contain('comanda_projection_failed_restaurants{projection="stats"} 2')

    for (const index of [0, 2, 3, 5, 6]) expect(await ordersOf(index)).to.equal(2)
    const { as_of, totals } = await stats(1)
    expect([as_of, totals.orders]).to.deep.equal([before.as_of, 1])
    const violations = 'select restaurant_id, error from ops.check_statistics_are_a_recount'
    expect(await system.database.query(violations)).to.have.deep.members(failed)

    for (const each of menus) await place(system.database, each)
    await project()
    expect([await ordersOf(0), await ordersOf(1)]).to.deep.equal([3, 1])
  })

  it('are counted again by a rebuild', async () => {
    await damage(1, 4)
    await project()
    const { failed } = await system.database.transaction(rebuildStats)
    expect(failed).to.deep.equal([])
    expect(await setAside()).to.deep.equal([])
    expect((await stats(1)).totals).to.include({ orders: 1, cancellations: 1, revenue: '0.00' })
    await place(system.database, menu(1))
    await project()
    expect(await ordersOf(1)).to.equal(2)
    expect(await system.database.query('select * from ops.check_statistics_are_a_recount')).to.deep.equal([])
  })

  it('do not prevent the rebuild of all others', async () => {
    await damage()
    await project()
    await system.database.execute(
      `update order_transitions set at = 'infinity' where restaurant_id = $1 and seq = 2`,
      [idOf(3)],
    )
    await system.database.execute('delete from restaurant_quarter_hours where restaurant_id <> $1', [idOf(3)])
    const { quarterHours, failed } = await system.database.transaction(rebuildStats)
    expect(failed.map(({ restaurant_id }) => restaurant_id)).to.deep.equal([idOf(3)])
    expect(quarterHours).to.equal(6)
    expect((await setAside()).map(({ restaurant_id }) => restaurant_id)).to.deep.equal([idOf(3)])
    for (const index of [0, 3, 6]) expect(await ordersOf(index)).to.equal(1)
  })

  it('are all set aside when more fail than one transaction looks for', async () => {
    for (let count = 0; count < 7; count++) menus.push(await addMenu(system.database, 20))
    await damage(...menus.keys())
    await project()
    expect(await setAside()).to.have.length(14)
  })

  it('are not set aside for an error that is not the fault of their data', async () => {
    await system.database.execute(`
      create function refuse() returns trigger language plpgsql as
      $$ begin raise exception 'disk full' using errcode = '53100'; end $$
    `)
    await system.database.execute(
      'create trigger refuse before insert on restaurant_quarter_hours for each row execute function refuse()',
    )
    await place(system.database, menu(0))
    const outcome = await project().catch((error: Error) => error.message)
    expect(outcome).to.match(/disk full|unavailable/)
    expect(await setAside()).to.deep.equal([])
    await system.database.execute('drop trigger refuse on restaurant_quarter_hours')
    await project()
    expect(await ordersOf(0)).to.equal(1)
  })
})
