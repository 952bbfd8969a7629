import { createSecretKey } from 'node:crypto'
import { expect } from 'chai'
import { v7 as uuidv7 } from 'uuid'
import { Cursors } from '../../src/http/cursor.ts'
import type { ListedOrderReply } from '../../src/orders/order-contract.ts'
import type { Reply } from '../support/api-client.ts'
import { startSystem, type TestSystem } from '../support/system.ts'

const ORDER_COUNT = 45

describe('lists', () => {
  let system: TestSystem
  let restaurants: string[]

  before(async () => {
    system = await startSystem(['api'])
    restaurants = []
    for (let count = 0; count < 3; count++) restaurants.push((await system.api.addRestaurant()).restaurant_id)
    // Three at each moment, so that the time alone does not put them in order; to the microsecond,
    // as SQL may.
    await system.database.execute(
      `insert into orders (order_id, restaurant_id, status, version, currency, total_minor, customer_id,
        cancellation_reason, placed_at, updated_at)
      select gen_random_uuid(), ($1::uuid[])[1 + n % 2], (array['PLACED', 'DELIVERED', 'CANCELLED'])[1 + n / 2 % 3], 1,
        'EUR', n * 100, case n % 5 when 0 then 'Frau Müller & Söhne' when 1 then 'c2' end,
        case n / 2 % 3 when 2 then 'CLIENT_REQUEST' end,
        '2026-01-01T00:00:00.000001Z'::timestamptz + n / 3 * interval '1 hour', now()
      from generate_series(1, $2) as n`,
      [restaurants, ORDER_COUNT],
    )
  })
  after(() => system.stop())

  const get = (path: string) => system.api.call<ListedOrderReply[]>('GET', path)

  function linkOf({ headers }: Reply<unknown>, rel: string): string | undefined {
    return new RegExp(`<([^>]+)>; rel="${rel}"`).exec(headers.get('link') ?? '')?.[1]
  }

  /** Returns every page, beginning with this path. */
  async function walk<Entry>(path: string): Promise<Entry[][]> {
    const pages: Entry[][] = []
    for (let next: string | undefined = path; next !== undefined; ) {
      const reply: Reply<Entry[]> = await system.api.call<Entry[]>('GET', next)
      expect(reply.status, JSON.stringify(reply.body)).to.equal(200)
      pages.push(reply.body)
      next = linkOf(reply, 'next')
    }
    return pages
  }

  async function ordersBySql(condition = 'true'): Promise<string[]> {
    const rows = await system.database.query<{ order_id: string }>(
      `select order_id from orders where ${condition} order by placed_at desc, order_id desc`,
    )
    return rows.map(({ order_id }) => order_id)
  }

  const idsOf = (pages: ListedOrderReply[][]) => pages.flat().map(({ order_id }) => order_id)

  it('of orders return every order once, newest first', async () => {
    for (const limit of [1, 2, 7, 44, 45, 46, 100]) {
      const pages = await walk<ListedOrderReply>(`/api/v1/orders?limit=${limit}`)
      expect(idsOf(pages)).to.deep.equal(await ordersBySql())
      expect(pages).to.have.lengthOf(Math.ceil(ORDER_COUNT / limit))
    }
    expect((await get('/api/v1/orders')).body).to.have.lengthOf(20)
  })

  it('of orders filter by restaurant, status, customer and time, and by their combination', async () => {
    const [first = ''] = restaurants
    const cases: [query: string, condition: string][] = [
      [`restaurant_id=${first}`, `restaurant_id = '${first}'`],
      [`restaurant_id=${first.toUpperCase()}`, `restaurant_id = '${first}'`],
      ['status=PLACED', `status = 'PLACED'`],
      ['status=PLACED,CANCELLED', `status in ('PLACED', 'CANCELLED')`],
      ['status=PLACED,PLACED', `status = 'PLACED'`],
      ['status=PLACED&status=CANCELLED', `status in ('PLACED', 'CANCELLED')`],
      ['customer_id=c2', `customer_id = 'c2'`],
      ['customer_id=Frau%20M%C3%BCller%20%26%20S%C3%B6hne', `customer_id like 'Frau%'`],
      ['placed_from=2026-01-01T07:00:00Z', `placed_at >= '2026-01-01T07:00:00Z'`],
      ['placed_from=2026-01-01T08:00:00%2B01:00', `placed_at >= '2026-01-01T07:00:00Z'`],
      ['placed_before=2026-01-01T07:00:00Z', `placed_at < '2026-01-01T07:00:00Z'`],
      [
        `restaurant_id=${first}&status=DELIVERED&placed_from=2026-01-01T01:00:00Z&placed_before=2026-01-01T12:00:00Z`,
        `restaurant_id = '${first}' and status = 'DELIVERED'
          and placed_at >= '2026-01-01T01:00:00Z' and placed_at < '2026-01-01T12:00:00Z'`,
      ],
      [
        `restaurant_id=${first}&status=DELIVERED,CANCELLED&customer_id=c2`,
        `restaurant_id = '${first}' and status in ('DELIVERED', 'CANCELLED') and customer_id = 'c2'`,
      ],
    ]
    for (const [query, condition] of cases) {
      const expected = await ordersBySql(condition)
      expect(expected.length, query).to.be.within(1, ORDER_COUNT - 1)
      expect(idsOf(await walk(`/api/v1/orders?limit=2&${query}`)), query).to.deep.equal(expected)
    }
    const none = await get(`/api/v1/orders?restaurant_id=${uuidv7()}&customer_id=nobody`)
    expect(none.body).to.deep.equal([])
    expect(none.headers.get('link')).to.equal(null)
  })

  it('do not shift when orders are placed between pages', async () => {
    const [first = ''] = restaurants
    const item = await system.api.addItem(first, 10)
    const before = await ordersBySql()
    const start = await get('/api/v1/orders?limit=10')
    const { order_id } = await system.api.place(first, [item.menu_item_id, 1])
    const rest = await walk<ListedOrderReply>(linkOf(start, 'next') ?? '')
    expect([...idsOf([start.body]), ...idsOf(rest)]).to.deep.equal(before)
    const again = await get(linkOf(await get(linkOf(start, 'next') ?? ''), 'first') ?? '')
    expect(again.body[0]).to.include({ order_id, status: 'PLACED', total_amount: '9.50', currency: 'EUR' })
    await system.database.execute('delete from order_transitions')
    await system.database.execute('delete from order_items')
    await system.database.execute('delete from orders where order_id = $1', [order_id])
  })

  it('of restaurants and menus return every entry once, sorted by id', async () => {
    const shown = await walk<{ restaurant_id: string }>('/api/v1/restaurants?limit=2')
    expect(shown.flat().map(({ restaurant_id }) => restaurant_id)).to.deep.equal([...restaurants].sort())

    const { restaurant_id } = await system.api.addRestaurant('JPY')
    const items = []
    for (let price = 1; price <= 5; price++) items.push(await system.api.addItem(restaurant_id, price, price))
    const menu = await walk<object>(`/api/v1/restaurants/${restaurant_id}/menu?limit=2`)
    expect(menu.map(page => page.length)).to.deep.equal([2, 2, 1])
    expect(menu.flat()).to.deep.equal(items)
    expect((await get(`/api/v1/restaurants/${uuidv7()}/menu`)).status).to.equal(404)
    expect((await get('/api/v1/restaurants/nonsense/menu')).status).to.equal(404)
  })

  it('accept only their own unmodified cursor with the same filters', async () => {
    const next = linkOf(await get('/api/v1/orders?limit=1&status=PLACED'), 'next') ?? ''
    const cursor = new URLSearchParams(next.split('?')[1]).get('cursor') ?? ''
    const flipped = cursor.slice(0, -1) + (cursor.endsWith('A') ? 'B' : 'A')
    const foreign = new Cursors(createSecretKey(Buffer.alloc(32))).issue('/api/v1/orders?status=PLACED', [
      '2026-01-01',
      uuidv7(),
    ])
    expect((await get(`/api/v1/orders?status=PLACED&limit=2&cursor=${cursor}`)).status).to.equal(200)
    for (const query of [
      `cursor=${cursor}`,
      `status=DELIVERED&cursor=${cursor}`,
      `status=PLACED&customer_id=c2&cursor=${cursor}`,
      `status=PLACED&cursor=${flipped}`,
      `status=PLACED&cursor=${foreign}`,
      `status=PLACED&cursor=${cursor}AA`,
      `status=PLACED&cursor=${cursor}%20`,
      `status=PLACED&cursor=%00'%3B--`,
    ]) {
      const { status, body } = await system.api.call('GET', `/api/v1/orders?${query}`)
      expect([status, body['code']], query).to.deep.equal([400, 'cursor-invalid'])
    }
    const first = await get('/api/v1/orders?status=PLACED&limit=2&cursor=')
    expect(first.body).to.deep.equal((await get('/api/v1/orders?status=PLACED&limit=2')).body)
    const { status } = await get(`/api/v1/restaurants?cursor=${cursor}`)
    expect(status).to.equal(400)
  })

  it('refuse unknown and invalid parameters by name', async () => {
    const cases: [query: string, parameter: string][] = [
      ['limit=0', 'limit'],
      ['limit=101', 'limit'],
      ['limit=-1', 'limit'],
      ['limit=1.5', 'limit'],
      ['limit=1e1', 'limit'],
      ['limit=', 'limit'],
      ['limit=1&limit=2', 'limit'],
      ['status=placed', 'status'],
      ['status=', 'status'],
      ['status=PLACED&status=', 'status'],
      ['status=PLACED,,', 'status'],
      ['restaurant_id=1', 'restaurant_id'],
      ['restaurant_id[]=1', 'restaurant_id[]'],
      ['customer_id=', 'customer_id'],
      ['customer_id=%00', 'customer_id'],
      [`customer_id=${'x'.repeat(101)}`, 'customer_id'],
      ['placed_from=yesterday', 'placed_from'],
      ['placed_from=2026-13-01T00:00:00Z', 'placed_from'],
      ['placed_before=2026-01-01', 'placed_before'],
      [`cursor=${'x'.repeat(501)}`, 'cursor'],
      ['order=status%3B%20drop%20table%20orders', 'order'],
      ['__proto__=1', '__proto__'],
    ]
    for (const [query, parameter] of cases) {
      const { status, body } = await system.api.call('GET', `/api/v1/orders?${query}`)
      expect([status, body['code']], query).to.deep.equal([400, 'query-invalid'])
      const errors = body['errors'] as { parameter: string; detail: string }[]
      expect(
        errors.map(error => error.parameter),
        query,
      ).to.include(parameter)
      for (const { detail } of errors) expect(detail).to.be.a('string').and.not.equal('')
    }
  })
})
