import { setTimeout as delay } from 'node:timers/promises'
import { v7 as uuidv7 } from 'uuid'
import { placeOrders } from '../../src/orders/place-order.ts'
import { untilTrue } from '../support/until.ts'
import type { DatabaseUnderTest } from './database-under-test.ts'
import type { Fault, TestBed } from './fault.ts'

/** Handlers that fail always or for a while. */

const POISON_RETRY_LIMIT = 2

export const poisonThrows: Fault = {
  name: 'poison-throws',
  about: 'one order whose deduction always fails: it becomes a dead letter and all other orders are prepared',
  run: async testBed => {
    const { postgres } = testBed
    const poison = uuidv7()
    await postgres.query(
      `create or replace function poison() returns trigger language plpgsql as
      $$ begin if new.order_id = '${poison}' then raise 'poison'; end if; return new; end $$`,
    )
    await postgres.query(
      'create trigger poison before insert on stock_movements for each row execute function poison()',
    )
    try {
      await placeWithId(testBed, poison)
      return await untilDeadLetter(postgres, poison)
    } finally {
      await postgres.query('drop trigger poison on stock_movements')
    }
  },
}

export const poisonExits: Fault = {
  name: 'poison-exits',
  about:
    'one order that kills every worker that handles it: it becomes a dead letter and all other orders are prepared',
  run: async testBed => {
    const { cluster, postgres } = testBed
    const poison = uuidv7()
    const failpoints = `worker.effect-written=kill:${poison}`
    for (const member of cluster.of('worker')) await cluster.restart(member, failpoints)
    // A restarted worker needs the failpoint again until the job is a dead letter.
    const arming = setInterval(() => {
      for (const member of cluster.of('worker')) member.failpoints = failpoints
    }, 50)
    try {
      await placeWithId(testBed, poison)
      return await untilDeadLetter(postgres, poison)
    } finally {
      clearInterval(arming)
      for (const member of cluster.of('worker')) await cluster.restart(member)
    }
  },
}

const STORM_MS = 60_000

export const retryStorm: Fault = {
  name: 'retry-storm',
  about: `every deduction fails for ${STORM_MS / 1_000} s, then all retries run at once`,
  delaysOrders: true,
  run: async ({ postgres }) => {
    await postgres.query(
      `create or replace function storm() returns trigger language plpgsql as $$ begin raise 'storm'; end $$`,
    )
    await postgres.query(
      'create trigger storm before insert on stock_movements for each row execute function storm()',
    )
    try {
      await delay(STORM_MS)
    } finally {
      await postgres.query('drop trigger storm on stock_movements')
    }
    return []
  },
}

async function placeWithId({ postgres, menu, random }: TestBed, order_id: string): Promise<void> {
  const items = [{ menu_item_id: random.pick(menu.menu_item_ids), quantity: 1 }]
  const order = { order_id, restaurant_id: menu.restaurant_id, items, trace: { request_id: 'poison' } }
  await postgres.withPool(database => placeOrders(database, [order]))
}

/** Waits for the dead letter of one order. Only this order's job gets fewer and faster retries. */
async function untilDeadLetter(postgres: DatabaseUnderTest, orderId: string): Promise<string[]> {
  const isDead = await untilTrue(120_000, async () => {
    await postgres.query(
      `update pgboss.job set retry_limit = ${POISON_RETRY_LIMIT}, retry_delay = 1, retry_backoff = false
      where name = 'inventory.deduct' and state < 'completed' and data ->> 'order_id' = $1 and retry_limit > ${POISON_RETRY_LIMIT}`,
      [orderId],
    )
    const letters = await postgres.query('select 1 from dead_letters where order_id = $1', [orderId])
    return letters.length > 0
  })
  return isDead ? [] : ['the poison order did not become a dead letter']
}
