import { expect } from 'chai'
import type { MenuItemReply, RestaurantReply } from '../../src/inventory/stock-contract.ts'
import type { Reply } from '../support/api-client.ts'
import { expectInvariants } from '../support/invariants.ts'
import { withSkewedClock } from '../support/skew-clock.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { until } from '../support/until.ts'

const HOUR_MS = 60 * 60 * 1_000
const inHours = (hours: number) => new Date(Date.now() + hours * HOUR_MS).toISOString()
const REASON = 'the oven is broken'

interface Event {
  type: string
  payload: Record<string, unknown>
}

/** Tests of items and restaurants that are inactive until a time. */
class Menu {
  readonly system: TestSystem
  readonly restaurantId: string
  readonly itemId: string

  constructor(system: TestSystem, restaurantId: string, itemId: string) {
    this.system = system
    this.restaurantId = restaurantId
    this.itemId = itemId
  }

  static async add(system: TestSystem, stock = 10): Promise<Menu> {
    const { restaurant_id } = await system.api.addRestaurant()
    const { menu_item_id } = await system.api.addItem(restaurant_id, stock)
    return new Menu(system, restaurant_id, menu_item_id)
  }

  path(kind: Kind): string {
    return kind === 'item' ? `/api/v1/inventory/${this.itemId}` : `/api/v1/restaurants/${this.restaurantId}`
  }

  read(kind: Kind, headers: Record<string, string> = {}): Promise<Reply> {
    return this.system.api.call('GET', this.path(kind), undefined, headers)
  }

  change(kind: Kind, body: object, headers: Record<string, string> = {}): Promise<Reply> {
    return this.system.api.call('PATCH', this.path(kind), body, headers)
  }

  order(): Promise<Reply> {
    const items = [{ menu_item_id: this.itemId, quantity: 1 }]
    return this.system.api.call('POST', '/api/v1/orders', { restaurant_id: this.restaurantId, items })
  }

  /** Moves the return into the past, as if the time had passed. */
  async letTimePass(kind: Kind): Promise<void> {
    const changed = await this.system.database.execute(
      `update ${kind === 'item' ? 'menu_items' : 'restaurants'}
      set inactive_until = date_trunc('milliseconds', clock_timestamp() - interval '1 millisecond')
      where restaurant_id = $1 and inactive_until is not null`,
      [this.restaurantId],
    )
    expect(changed).to.equal(1)
  }

  async events(): Promise<Event[]> {
    return await this.system.database.query<Event>(
      `select type, payload from outbox_events
      where restaurant_id = $1 and type in ('inventory.item.changed.v1', 'restaurant.changed.v1')
      order by event_id`,
      [this.restaurantId],
    )
  }

  async changes(): Promise<unknown[]> {
    return (await this.events()).map(({ payload }) => [payload['active'], payload['changed']])
  }
}

type Kind = 'item' | 'restaurant'
const kinds: Kind[] = ['item', 'restaurant']
const OFF = ['active', 'inactive_until', 'inactive_reason']

describe('what is off the menu until a time, without any worker', () => {
  let system: TestSystem
  let menu: Menu

  before(async () => {
    system = await startSystem(['api'])
  })
  after(() => system.stop())
  beforeEach(async () => {
    menu = await Menu.add(system)
  })

  for (const kind of kinds) {
    it(`refuses orders for an inactive ${kind} with its return, and accepts them from then on`, async () => {
      expect((await menu.order()).status).to.equal(202)
      const inactive_until = inHours(2)
      const changed = await menu.change(kind, { active: false, inactive_until, inactive_reason: REASON })
      expect(changed.status).to.equal(200)
      expect(changed.body).to.include({ active: false, inactive_until, inactive_reason: REASON })

      const { status, body } = await menu.order()
      if (kind === 'restaurant') {
        expect(body).to.include({ status: 409, code: 'restaurant-inactive', inactive_until })
        expect(body['detail']).to.contain(inactive_until)
      } else {
        expect(status).to.equal(422)
        const pointer = '/items/0/menu_item_id'
        const detail = `Pizza is unavailable until ${inactive_until}`
        expect(body['errors']).to.deep.equal([{ pointer, detail, inactive_until }])
      }

      // The clock of this process is behind: that of Postgres counts.
      await menu.letTimePass(kind)
      await withSkewedClock(-3 * HOUR_MS, async () => expect((await menu.order()).status).to.equal(202))
      expect((await menu.read(kind)).body).to.include({
        active: true,
        inactive_until: null,
        inactive_reason: null,
      })
      const list = kind === 'item' ? `${menu.path('restaurant')}/menu` : '/api/v1/restaurants?limit=100'
      const { body: entries } = await system.api.call<(MenuItemReply & RestaurantReply)[]>('GET', list)
      const id = kind === 'item' ? menu.itemId : menu.restaurantId
      const entry = entries.find(({ menu_item_id, restaurant_id }) =>
        [menu_item_id, restaurant_id].includes(id),
      )
      expect(entry).to.include({ active: true, inactive_until: null })
    })

    it(`gives the ${kind} another entity tag when it returns`, async () => {
      const { headers } = await menu.change(kind, { active: false, inactive_until: inHours(1) })
      const tag = headers.get('etag') ?? ''
      expect((await menu.read(kind, { 'if-none-match': tag })).status).to.equal(304)
      await menu.letTimePass(kind)
      const returned = await menu.read(kind, { 'if-none-match': tag })
      expect(returned.status).to.equal(200)
      expect((await menu.change(kind, { name: 'B' }, { 'if-match': tag })).status).to.equal(412)
      const current = returned.headers.get('etag') ?? ''
      expect((await menu.read(kind, { 'if-none-match': current })).status).to.equal(304)
      expect((await menu.change(kind, { name: 'B' }, { 'if-match': current })).status).to.equal(200)
    })

    it(`publishes the return of the ${kind} before a later change, and nothing for no change`, async () => {
      await menu.change(kind, { active: false, inactive_until: inHours(1), inactive_reason: REASON })
      await menu.change(kind, { active: false })
      await menu.letTimePass(kind)
      await menu.change(kind, { name: 'Marinara' })
      await menu.change(kind, { active: true })
      expect(await menu.changes()).to.deep.equal([
        [false, OFF],
        [true, OFF],
        [true, ['name']],
      ])
    })

    it(`changes until when and why the ${kind} is inactive, and keeps since when`, async () => {
      const since = async () =>
        (
          await system.database.query<{ at: Date }>(
            `select deactivated_at as at from ${kind === 'item' ? 'menu_items' : 'restaurants'} where restaurant_id = $1`,
            [menu.restaurantId],
          )
        )[0]?.at
      await menu.change(kind, { active: false })
      const at = await since()
      expect((await menu.read(kind)).body).to.include({ inactive_until: null, inactive_reason: null })
      const inactive_until = inHours(3)
      await menu.change(kind, { inactive_until })
      await menu.change(kind, { active: false, inactive_reason: REASON })
      expect((await menu.read(kind)).body).to.include({ inactive_until, inactive_reason: REASON })
      await menu.change(kind, { inactive_until: null })
      expect((await menu.read(kind)).body).to.include({ inactive_until: null, inactive_reason: REASON })
      expect(await since()).to.deep.equal(at)
      await menu.change(kind, { active: true })
      expect((await menu.read(kind)).body).to.include({ active: true, inactive_reason: null })
      expect(await menu.changes()).to.deep.equal([
        [false, ['active']],
        [false, ['inactive_until']],
        [false, ['inactive_reason']],
        [false, ['inactive_until']],
        [true, ['active', 'inactive_reason']],
      ])
    })

    it(`refuses a return of the ${kind} that is past or far ahead, and one of an active ${kind}`, async () => {
      const expectRefused = async (body: object, ...errors: [pointer: string, detail: string][]) => {
        const reply = await menu.change(kind, body)
        expect(reply.status).to.equal(422)
        expect(reply.body['errors']).to.deep.equal(errors.map(([pointer, detail]) => ({ pointer, detail })))
      }
      await expectRefused({ active: false, inactive_until: inHours(-1) }, [
        '/inactive_until',
        'must be in the future',
      ])
      await expectRefused({ active: false, inactive_until: inHours(367 * 24) }, [
        '/inactive_until',
        'must be within 366 days',
      ])
      await expectRefused(
        { active: true, inactive_until: inHours(1), inactive_reason: REASON },
        ['/inactive_until', 'needs "active": false'],
        ['/inactive_reason', 'needs "active": false'],
      )
      await expectRefused({ inactive_reason: REASON }, ['/inactive_reason', 'needs "active": false'])
      expect(await menu.changes()).to.deep.equal([])
    })
  }

  it('shows in ops.off_menu what takes no orders now', async () => {
    const shown = async () =>
      await system.database.query(
        `select kind, restaurant_id, menu_item_id, name, inactive_until, inactive_reason
        from ops.off_menu where restaurant_id = $1 order by kind`,
        [menu.restaurantId],
      )
    const inactive_until = inHours(1)
    await menu.change('item', { active: false, inactive_until, inactive_reason: REASON })
    await menu.change('restaurant', { active: false })
    const item = {
      kind: 'ITEM',
      restaurant_id: menu.restaurantId,
      menu_item_id: menu.itemId,
      name: 'Pizza',
      inactive_until: new Date(inactive_until),
      inactive_reason: REASON,
    }
    const restaurant = {
      ...item,
      kind: 'RESTAURANT',
      menu_item_id: null,
      name: 'Trattoria',
      inactive_until: null,
      inactive_reason: null,
    }
    expect(await shown()).to.deep.equal([item, restaurant])
    await menu.letTimePass('item')
    expect(await shown()).to.deep.equal([restaurant])
  })
})

describe('events of menu items and restaurants', () => {
  let system: TestSystem
  let menu: Menu

  before(async () => {
    system = await startSystem()
  })
  after(() => system.stop())
  beforeEach(async () => {
    menu = await Menu.add(system)
  })
  afterEach(() => expectInvariants(system.database))

  const post = (path: string, body: object) => system.api.call('POST', `${menu.path('item')}/${path}`, body)

  async function untilChanges(expected: unknown[]): Promise<void> {
    await until('the events are there', async () => (await menu.events()).length >= expected.length)
    expect(await menu.changes()).to.deep.equal(expected)
  }

  it('report what staff change, restock and adjust, with the item as it is then', async () => {
    await menu.change('item', { name: 'Marinara', price: '8.00', low_stock_threshold: 1 })
    await menu.change('item', { name: 'Marinara' })
    await post('restock', { quantity: 5, reason: 'delivery' })
    await post('adjust', { quantity: -2, reason_code: 'WASTE' })
    const events = await menu.events()
    const item = await system.api.item(menu.itemId)
    const { menu_item_id, restaurant_id, name, updated_at } = item
    expect(events.map(({ payload }) => [payload['available_qty'], payload['changed']])).to.deep.equal([
      [10, ['name', 'price', 'low_stock_threshold']],
      [15, ['available_qty']],
      [13, ['available_qty']],
    ])
    expect(events.at(-1)).to.deep.equal({
      type: 'inventory.item.changed.v1',
      payload: {
        menu_item_id,
        restaurant_id,
        name,
        price: '8.00',
        active: true,
        inactive_until: null,
        inactive_reason: null,
        available_qty: 13,
        updated_at,
        changed: ['available_qty'],
      },
    })
  })

  it('report a change of a restaurant', async () => {
    await menu.change('restaurant', { name: 'Osteria', time_zone: 'Europe/Rome' })
    expect(await menu.events()).to.deep.equal([
      {
        type: 'restaurant.changed.v1',
        payload: {
          restaurant_id: menu.restaurantId,
          name: 'Osteria',
          active: true,
          inactive_until: null,
          inactive_reason: null,
          changed: ['name', 'time_zone'],
        },
      },
    ])
  })

  it('report stock that orders make reach or leave zero, and no other deduction', async () => {
    menu = await Menu.add(system, 2)
    const quantities = async () => (await menu.events()).map(({ payload }) => payload['available_qty'])
    const orders: string[] = []
    for (let left = 1; left >= 0; left--) {
      const { order_id } = await system.api.place(menu.restaurantId, [menu.itemId, 1])
      await system.api.untilStatus(order_id, 'PREPARING')
      orders.push(order_id)
      expect(await quantities()).to.deep.equal(left === 0 ? [0] : [])
    }
    for (const order of orders) await system.api.cancel(order)
    await system.api.untilStock(menu.itemId, 2)
    const [first, second, ...more] = await menu.events()
    expect([first?.payload['available_qty'], second?.payload['changed'], more]).to.deep.equal([
      0,
      ['available_qty'],
      [],
    ])
    expect(second?.payload['available_qty']).to.be.within(1, 2)
  })

  for (const kind of kinds) {
    it(`report the return of the ${kind} once, by a job that starts at that time`, async () => {
      const inactive_until = inHours(1)
      await menu.change(kind, { active: false, inactive_until, inactive_reason: REASON })
      const jobs = async () =>
        await system.database.query<{ start_after: Date; state: string }>(
          `select start_after, state from pgboss.job
          where name = 'inventory.return' and data->>'restaurant_id' = $1 order by start_after`,
          [menu.restaurantId],
        )
      await until('the job is there', async () => (await jobs()).length === 1)
      expect(await jobs()).to.deep.equal([{ start_after: new Date(inactive_until), state: 'created' }])
      // The same time once more: two jobs for one return.
      await menu.change(kind, { active: true })
      await menu.change(kind, { active: false, inactive_until })
      await until('the second job is there', async () => (await jobs()).length === 2)
      const { version } = await stored(kind)
      await menu.letTimePass(kind)
      const { headers } = await menu.read(kind)
      await makeDue()
      await until('both jobs are done', async () =>
        (await jobs()).every(({ state }) => state === 'completed'),
      )
      expect(await menu.changes()).to.deep.equal([
        [false, OFF],
        [true, OFF],
        [false, ['active', 'inactive_until']],
        [true, ['active', 'inactive_until']],
      ])
      expect(await stored(kind)).to.deep.equal({
        version: version + 1,
        deactivated_at: null,
        inactive_until: null,
      })
      expect((await menu.read(kind)).headers.get('etag')).to.equal(headers.get('etag'))
    })

    it(`report no return of a ${kind} that is inactive for longer by then`, async () => {
      await menu.change(kind, { active: false, inactive_until: inHours(1) })
      await menu.change(kind, { inactive_until: null })
      await until('the job is there', async () => (await makeDue()) === 1)
      await until('the job is done', async () => {
        const rows = await system.database.query(
          `select 1 from processed_events where consumer = 'inventory.return' and restaurant_id = $1`,
          [menu.restaurantId],
        )
        return rows.length === 1
      })
      await untilChanges([
        [false, ['active', 'inactive_until']],
        [false, ['inactive_until']],
      ])
    })
  }

  /** Makes the jobs of this restaurant start now. */
  async function makeDue(): Promise<number> {
    return await system.database.execute(
      `update pgboss.job set start_after = now()
      where name = 'inventory.return' and data->>'restaurant_id' = $1 and start_after > now()`,
      [menu.restaurantId],
    )
  }

  async function stored(kind: Kind) {
    const [row] = await system.database.query<{ version: number }>(
      `select version, deactivated_at, inactive_until
      from ${kind === 'item' ? 'menu_items' : 'restaurants'} where restaurant_id = $1`,
      [menu.restaurantId],
    )
    return row ?? expect.fail('no row')
  }
})
