import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { Database } from '../../src/db/database.ts'
import { placeOrders } from '../../src/orders/place-order.ts'
import { newId } from '../../src/platform/ids.ts'
import type { Complaints, Fault, Surroundings } from './fault.ts'
import type { Postgres } from './postgres.ts'
import { untilTrue } from './wait.ts'

/** Work that fails, each time or for a while. */

const POISON_RETRY_LIMIT = 2

export const poisonThrows: Fault = {
  name: 'poison-throws',
  about:
    'an order whose deduction always fails, among others: it ends as a dead letter, the others are prepared',
  run: async surroundings => {
    const { postgres } = surroundings
    const poison = newId()
    await postgres.query(
      `create or replace function poison() returns trigger language plpgsql as
      $$ begin if new.order_id = '${poison}' then raise 'poison'; end if; return new; end $$`,
    )
    await postgres.query(
      'create trigger poison before insert on stock_movements for each row execute function poison()',
    )
    try {
      await placeWithId(surroundings, poison)
      return await untilDeadLetter(postgres, poison)
    } finally {
      await postgres.query('drop trigger poison on stock_movements')
    }
  },
}

export const poisonExits: Fault = {
  name: 'poison-exits',
  about:
    'an order that kills every worker that touches it: it ends as a dead letter, the others are prepared',
  run: async surroundings => {
    const { cluster, postgres } = surroundings
    const poison = newId()
    const failpoints = `worker.effect-written=kill:${poison}`
    for (const member of cluster.of('worker')) await cluster.restart(member, failpoints)
    // Each that comes back must be trapped again, until the job is given up.
    const trapping = setInterval(() => {
      for (const member of cluster.of('worker')) member.failpoints = failpoints
    }, 50)
    try {
      await placeWithId(surroundings, poison)
      return await untilDeadLetter(postgres, poison)
    } finally {
      clearInterval(trapping)
      for (const member of cluster.of('worker')) await cluster.restart(member)
    }
  },
}

/** How long handlers fail in the storm. */
const STORM_MS = 60_000

export const retryStorm: Fault = {
  name: 'retry-storm',
  about: `every deduction fails for ${STORM_MS / 1_000} s; then all of their retries come`,
  leavesOrdersLate: true,
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

async function placeWithId({ postgres, menu, random }: Surroundings, order_id: string): Promise<void> {
  const database = await Database.open({
    url: postgres.url,
    applicationName: 'comanda faults',
    poolCount: 1,
    timeoutMs: 10_000,
    log: pino({ level: 'silent' }),
  })
  const items = [{ menu_item_id: random.pick(menu.menu_item_ids), quantity: 1 }]
  await placeOrders(database, [
    { order_id, restaurant_id: menu.restaurant_id, items, trace: { request_id: 'poison' } },
  ])
  await database.close()
}

/** Waits until the job is given up; its own retries are cut short, those of its neighbours are not. */
async function untilDeadLetter(postgres: Postgres, orderId: string): Promise<Complaints> {
  const isDead = await untilTrue(120_000, async () => {
    await postgres.query(
      `update pgboss.job set retry_limit = ${POISON_RETRY_LIMIT}, retry_delay = 1, retry_backoff = false
      where name = 'inventory.deduct' and state < 'completed' and data ->> 'order_id' = $1 and retry_limit > ${POISON_RETRY_LIMIT}`,
      [orderId],
    )
    const letters = await postgres.query('select 1 from dead_letters where order_id = $1', [orderId])
    return letters.length > 0
  })
  return isDead ? [] : ['the poison did not become a dead letter']
}
