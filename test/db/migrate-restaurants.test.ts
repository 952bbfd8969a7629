import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import pg from 'pg'
import type { QueryRunner } from 'typeorm'
import { StoreCurrencyDecimals1796100000000 } from '../../migrations/1796100000000-store-currency-decimals.ts'
import { KeepWebhookSecrets1796300000000 } from '../../migrations/1796300000000-keep-webhook-secrets.ts'
import { AddTimeZones1796400000000 } from '../../migrations/1796400000000-add-time-zones.ts'
import type { Database } from '../../src/db/database.ts'
import { migrateUp } from '../../src/db/migrations.ts'
import { migrate } from '../../src/processes/migrate.ts'
import { quiet } from '../support/log.ts'
import { runnerOf } from '../support/migration-runner.ts'
import { blankDatabase } from '../support/postgres.ts'
import { openPool, startSystem } from '../support/system.ts'

describe('the migrations of restaurants and webhooks', () => {
  it('carry the secrets of existing webhooks over, there and back', async () => {
    const { url, drop } = await blankDatabase()
    await migrate(url, quiet)
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      const migration = new KeepWebhookSecrets1796300000000()
      const runner = client as unknown as QueryRunner
      await migration.down(runner)
      await client.query(
        `insert into webhooks (webhook_id, owner, url, event_types, type_patterns, secret, previous_secret, previous_secret_until, status)
        values (uuidv7(), 'rotated', 'https://a.example/', '{*}', '{%}', 'new', 'old', '2030-01-01Z', 'ACTIVE'),
          (uuidv7(), 'once', 'https://b.example/', '{*}', '{%}', 'only', null, null, 'ACTIVE'),
          (uuidv7(), 'deleted', 'https://c.example/', '{*}', '{%}', null, null, null, 'DELETED')`,
      )
      const old = `select owner, secret, previous_secret, previous_secret_until from webhooks order by owner`
      const before = (await client.query(old)).rows
      await migration.up(runner)
      const { rows } = await client.query(
        `select owner, secret, expires_at from webhook_secrets join webhooks using (webhook_id)
        order by owner, webhook_secrets.created_at`,
      )
      expect(rows).to.deep.equal([
        { owner: 'once', secret: 'only', expires_at: null },
        { owner: 'rotated', secret: 'old', expires_at: new Date('2030-01-01Z') },
        { owner: 'rotated', secret: 'new', expires_at: null },
      ])
      await migration.down(runner)
      expect((await client.query(old)).rows).to.deep.equal(before)
    } finally {
      await client.end()
      await drop()
    }
  })

  it('set existing restaurants, and those that the previous version adds, to the time zone UTC', async () => {
    const { url, drop } = await blankDatabase()
    const database = await openPool(url)
    try {
      await migrateUp(url)
      const migration = new AddTimeZones1796400000000()
      await migration.down(runnerOf(database))
      await insertRestaurant(database, randomUUID(), 'EUR')
      await migration.up(runnerOf(database))
      await insertRestaurant(database, randomUUID(), 'EUR')
      const zones = await database.query('select time_zone from restaurants')
      expect(zones).to.deep.equal([{ time_zone: 'UTC' }, { time_zone: 'UTC' }])
    } finally {
      await database.close()
      await drop()
    }
  })

  it('preserve the meaning of amounts when the decimals of currencies become those of ISO 4217', async () => {
    const system = await startSystem(['api'])
    const { api, database } = system
    try {
      await new StoreCurrencyDecimals1796100000000().down(runnerOf(database))
      const old = await addWithoutDecimals('HUF', 2500)
      const dinar = await addWithoutDecimals('IQD', 2500)
      const yen = await addWithoutDecimals('JPY', 2500)
      const euro = await addWithoutDecimals('EUR', 2500)
      const oldOrder = await orderWithoutDecimals(old)
      await database.execute(
        `delete from schema_migrations where name = 'StoreCurrencyDecimals1796100000000'`,
      )
      await migrateUp(system.url)

      expect(await priceOf(old)).to.equal('2500')
      expect(await priceOf(dinar)).to.equal('2500')
      expect(await priceOf(yen)).to.equal('2500')
      expect(await priceOf(euro)).to.equal('25.00')
      expect(await amountsOf(oldOrder)).to.deep.equal(['2500', '2500', '2500'])

      const { restaurant_id } = await api.addRestaurant('HUF')
      const { menu_item_id } = await api.addItem(restaurant_id, 10, '2500')
      expect(await priceOf({ restaurant_id, menu_item_id })).to.equal('2500.00')
      for (const [menu, amount] of [
        [old, '2500'],
        [{ restaurant_id, menu_item_id }, '2500.00'],
      ] as const) {
        const placed = await api.place(menu.restaurant_id, [menu.menu_item_id, 1])
        expect(placed.total_amount).to.equal(amount)
        expect(await amountsOf(placed.order_id)).to.deep.equal([amount, amount, amount])
        const [event] = await database.query<{ amount: string }>(
          `select payload->>'total_amount' as amount from outbox_events where order_id = $1`,
          [placed.order_id],
        )
        expect(event).to.deep.equal({ amount })
        expect((await api.cancel(placed.order_id)).total_amount).to.equal(amount)
        const changed = await api.call('PATCH', `/api/v1/inventory/${menu.menu_item_id}`, { price: '2400' })
        expect(changed.body.price).to.equal(amount.replace('25', '24'))
        const stats = await api.call('GET', `/api/v1/restaurants/${menu.restaurant_id}/stats`)
        expect(stats.body).to.have.nested.property('totals.revenue', amount.replace('2500', '0'))
      }
    } finally {
      await system.stop()
    }

    async function priceOf({ restaurant_id, menu_item_id }: MenuIds): Promise<string> {
      const { price } = await api.item(menu_item_id)
      const menu = await api.call<{ price: string }[]>('GET', `/api/v1/restaurants/${restaurant_id}/menu`)
      expect(menu.body.map(item => item.price)).to.deep.equal([price])
      return price
    }

    /** Returns total and price of an order, and its total in the list of orders. */
    async function amountsOf(orderId: string): Promise<(string | undefined)[]> {
      const order = await api.order(orderId)
      const list = await api.call<{ order_id: string; total_amount: string }[]>(
        'GET',
        `/api/v1/orders?restaurant_id=${order.restaurant_id}`,
      )
      const listed = list.body.find(({ order_id }) => order_id === orderId)
      return [order.total_amount, order.items[0]?.price, listed?.total_amount]
    }

    async function addWithoutDecimals(currency: string, priceMinor: number): Promise<MenuIds> {
      const ids = { restaurant_id: randomUUID(), menu_item_id: randomUUID() }
      await insertRestaurant(database, ids.restaurant_id, currency)
      await database.execute(
        `insert into menu_items (menu_item_id, restaurant_id, name, price_minor, available_qty)
        values ($1, $2, 'Gulyás', $3, 10)`,
        [ids.menu_item_id, ids.restaurant_id, priceMinor],
      )
      return ids
    }

    async function orderWithoutDecimals({ restaurant_id, menu_item_id }: MenuIds): Promise<string> {
      const order_id = randomUUID()
      await insertOrder(database, order_id, restaurant_id)
      await database.execute(
        `insert into order_items (order_id, restaurant_id, menu_item_id, line_no, name, price_minor, quantity)
        values ($1, $2, $3, 1, 'Gulyás', 2500, 1)`,
        [order_id, restaurant_id, menu_item_id],
      )
      await database.execute(
        `insert into order_transitions (order_id, restaurant_id, seq, to_status, actor, at)
        values ($1, $2, 1, 'PLACED', 'client', now())`,
        [order_id, restaurant_id],
      )
      return order_id
    }
  })

  it('fill the decimals of rows that a process of the previous version inserts', async () => {
    const { url, drop } = await blankDatabase()
    const database = await openPool(url)
    try {
      await migrateUp(url)
      const [huf, eur, order_id] = [randomUUID(), randomUUID(), randomUUID()]
      await insertRestaurant(database, huf, 'HUF')
      await insertRestaurant(database, eur, 'EUR')
      await database.execute('update restaurants set currency_decimals = 4 where restaurant_id = $1', [eur])
      await insertOrder(database, order_id, eur)
      const stored = await database.query(
        `select currency_decimals from restaurants where restaurant_id = $1
        union all select currency_decimals from orders where order_id = $2`,
        [huf, order_id],
      )
      expect(stored).to.deep.equal([{ currency_decimals: 0 }, { currency_decimals: 4 }])
    } finally {
      await database.close()
      await drop()
    }
  })
})

interface MenuIds {
  restaurant_id: string
  menu_item_id: string
}

async function insertRestaurant(database: Database, restaurantId: string, currency: string): Promise<void> {
  await database.execute(
    `insert into restaurants (restaurant_id, name, currency) values ($1, 'Csárda', $2)`,
    [restaurantId, currency],
  )
}

async function insertOrder(database: Database, orderId: string, restaurantId: string): Promise<void> {
  await database.execute(
    `insert into orders (order_id, restaurant_id, status, version, currency, total_minor, placed_at, updated_at)
    select $1, restaurant_id, 'PLACED', 1, currency, 2500, now(), now()
    from restaurants
    where restaurant_id = $2`,
    [orderId, restaurantId],
  )
}
