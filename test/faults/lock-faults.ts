import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { v7 as uuidv7 } from 'uuid'
import { errorCode } from '../../src/db/sql-errors.ts'
import type { Menu } from '../support/pipeline.ts'
import { untilTrue } from '../support/until.ts'
import type { DatabaseUnderTest } from './database-under-test.ts'
import type { Fault } from './fault.ts'

/** Contention for the same rows. */

export const deadlockPressure: Fault = {
  name: 'deadlocks',
  about: 'four other clients lock menu items in random order for 6 s',
  run: async ({ postgres, menu, random }) => {
    const until = Date.now() + 6_000
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        const client = await postgres.connect()
        while (Date.now() < until) {
          try {
            await client.query('begin')
            for (const item of random.shuffled(menu.menu_item_ids).slice(0, 4)) {
              await client.query('update menu_items set updated_at = now() where menu_item_id = $1', [item])
              await delay(random.between(0, 10))
            }
            await client.query('commit')
          } catch {
            await client.query('rollback').catch(() => undefined)
          }
        }
        await client.end()
      }),
    )
    return []
  },
}

const HOT_STOCK = 100
const HOT_ORDERS = 500

export const hotItem: Fault = {
  name: 'hot-item',
  about: `${HOT_ORDERS} concurrent orders for an item with ${HOT_STOCK} in stock: exactly ${HOT_STOCK} are sold`,
  run: async ({ clients, postgres, menu }) => {
    const item = uuidv7()
    await postgres.query(
      `with item as (
        insert into menu_items (menu_item_id, restaurant_id, name, price_minor, available_qty) values ($1, $2, 'Hot', 100, $3)
        returning menu_item_id, restaurant_id, available_qty
      )
      insert into stock_movements (movement_id, restaurant_id, menu_item_id, kind, delta)
      select uuidv7(), restaurant_id, menu_item_id, 'INITIAL', available_qty from item`,
      [item, menu.restaurant_id, HOT_STOCK],
    )
    const attempts = await Promise.all(Array.from({ length: HOT_ORDERS }, () => clients.place(item)))
    const accepted = attempts.flatMap(({ status, order_id }) =>
      status === 202 && order_id ? [order_id] : [],
    )
    const rows = await untilDecided(postgres, accepted)
    const sold = rows.filter(({ status }) => status === 'PREPARING').length
    const [left] = await postgres.query<{ available_qty: number }>(
      'select available_qty from menu_items where menu_item_id = $1',
      [item],
    )
    const expected = Math.min(HOT_STOCK, accepted.length)
    return sold === expected && left?.available_qty === HOT_STOCK - expected
      ? []
      : [`sold ${sold} of ${HOT_STOCK}, ${left?.available_qty} left`]
  },
}

export const idleTransaction: Fault = {
  name: 'idle-transaction',
  about: 'another client holds locks on orders and items for 7 s, idle in its transaction',
  run: async ({ postgres, menu }) => {
    const client = await postgres.connect()
    while (!(await takeLocks(client, menu))) await client.query('rollback')
    await delay(7_000)
    await client.query('rollback')
    await client.end()
    return []
  },
}

/**
 * Locks items before orders, the opposite of the order that all processes use.
 * @returns false when Postgres chose this transaction as the victim of a deadlock
 */
async function takeLocks(client: pg.Client, { menu_item_ids }: Menu): Promise<boolean> {
  try {
    await client.query('begin')
    await client.query('select 1 from menu_items where menu_item_id = any($1) for update', [
      menu_item_ids.slice(0, 3),
    ])
    await client.query(`select 1 from orders where status = 'PLACED' for update`)
    return true
  } catch (error) {
    if (errorCode(error) === '40P01') return false
    throw error
  }
}

/** Waits up to a minute until none of the orders is PLACED, and returns their statuses. */
async function untilDecided(postgres: DatabaseUnderTest, orderIds: string[]): Promise<{ status: string }[]> {
  let rows: { status: string }[] = []
  await untilTrue(60_000, async () => {
    rows = await postgres.query<{ status: string }>('select status from orders where order_id = any($1)', [
      orderIds,
    ])
    return rows.every(({ status }) => status !== 'PLACED')
  })
  return rows
}
