import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { pino } from 'pino'
import { Database } from '../../src/db/database.ts'
import { errorCode } from '../../src/db/sql-errors.ts'
import { placeOrders } from '../../src/orders/place-order.ts'
import { newId } from '../../src/platform/ids.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import type { Clients, Menu } from './clients.ts'
import type { Cluster, Member, Role } from './cluster.ts'
import type { Postgres } from './postgres.ts'
import type { Proxy } from './proxy.ts'

export interface Surroundings {
  cluster: Cluster
  postgres: Postgres
  proxy: Proxy
  clients: Clients
  menu: Menu
  random: SeededRandom
}

/** What went wrong by the fault's own measure; empty when nothing. */
type Complaints = string[]

export interface Fault {
  name: string
  about: string
  /** its orders are late by what it is, and are not waited for before the next fault */
  leavesOrdersLate?: boolean
  /** Applies the fault and takes it away again. */
  run: (surroundings: Surroundings) => Promise<Complaints>
}

const kill = (role: Role): Fault => ({
  name: `kill-${role}`,
  about: `kill -9 of one ${role}`,
  run: async ({ cluster, random }) => {
    cluster.kill(random.pick(cluster.of(role)))
    return []
  },
})

/** Starts one process of a role with a trap, which springs somewhere within its first hits. */
const trap = (role: Role, failpoint: string): Fault => ({
  name: `trap-${failpoint}`,
  about: `kill -9 of one ${role} at ${failpoint}`,
  run: async ({ cluster, random, clients }) => {
    const member = random.pick(cluster.of(role))
    const before = member.trapped
    await cluster.restart(member, `${failpoint}=kill#${random.integer(1, TRAP_HITS)}`)
    const hasSprung = await untilTrue(TRAP_TIMEOUT_MS, async () => {
      await clients.place()
      return member.trapped > before
    })
    return hasSprung ? [] : ['the trap did not spring']
  },
})

const TRAP_HITS = 5
const TRAP_TIMEOUT_MS = 60_000

/** Longer than a heartbeat of pg-boss's (10 s) and its supervision. */
const FREEZE_MS = 16_000
/** A frozen worker may hold up others by its locks for so long. */
const FROZEN_LOCKS_MS = 5_000

const freezeWorker: Fault = {
  name: 'freeze-worker',
  about: `SIGSTOP of a worker that holds locks, for ${FREEZE_MS / 1_000} s, past its heartbeat, then SIGCONT`,
  run: async surroundings => {
    const { cluster, random, clients, postgres } = surroundings
    const member = random.pick(cluster.of('worker'))
    await cluster.restart(member, `worker.effect-written=freeze#${random.integer(1, TRAP_HITS)}`)
    const isFrozen = await untilTrue(TRAP_TIMEOUT_MS, async () => {
      await clients.place()
      return await isSilentInTransaction(postgres)
    })
    if (!isFrozen) return ['the worker did not freeze']
    const began = Date.now()
    const order = await clients.placeEverything()
    const isFree = await untilPrepared(postgres, order, FROZEN_LOCKS_MS)
    await delay(Math.max(0, began + FREEZE_MS - Date.now()))
    member.child?.kill('SIGCONT')
    return isFree ? [] : [`its locks held up others for more than ${FROZEN_LOCKS_MS / 1_000} s`]
  },
}

const rollingRestart: Fault = {
  name: 'rolling-restart',
  about: 'SIGTERM of every process of every role in turn; no request may fail',
  run: async ({ cluster, clients }) => {
    const before = clients.attempts.length
    const codes: string[] = []
    for (const member of cluster.members) {
      // An orchestrator takes it out of rotation first, and waits a moment.
      member.inRotation = false
      await delay(50)
      const code = await cluster.restart(member)
      if (code !== 0) codes.push(`${describe(member)} exited with ${code}`)
    }
    const failed = clients.attempts.slice(before).filter(({ status }) => status === 0 || status >= 500)
    return [
      ...codes,
      ...failed.map(
        ({ kind, status }) => `a request (${kind}) failed with ${status} during the rolling restart`,
      ),
    ]
  },
}

const terminateBackends: Fault = {
  name: 'terminate-backends',
  about: 'pg_terminate_backend on every connection, five times',
  run: async ({ postgres }) => {
    for (let round = 0; round < 5; round++) {
      await postgres.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'comanda-%' and pid <> pg_backend_pid()`,
      )
      await delay(300)
    }
    return []
  },
}

const killListeners: Fault = {
  name: 'kill-listeners',
  about: 'the connections that LISTEN are ended',
  run: async ({ postgres }) => {
    await postgres.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'comanda-%-listen'`,
    )
    return []
  },
}

const killPostgres: Fault = {
  name: 'kill-postgres',
  about: 'kill -9 of Postgres; it is back after 3 s and recovers',
  run: async ({ postgres, proxy }) => {
    postgres.kill()
    await delay(3_000)
    await postgres.startAgain()
    proxy.retarget(postgres.port)
    return []
  },
}

const restartPostgres: Fault = {
  name: 'restart-postgres',
  about: 'Postgres is stopped in order and started again',
  run: async ({ postgres, proxy }) => {
    await postgres.stop()
    await delay(1_000)
    await postgres.startAgain()
    proxy.retarget(postgres.port)
    return []
  },
}

const halfOpen: Fault = {
  name: 'half-open',
  about: 'for 8 s nothing passes between the processes and Postgres, and no connection says so',
  run: async ({ proxy }) => {
    proxy.freeze()
    await delay(8_000)
    proxy.thaw()
    return []
  },
}

const latency: Fault = {
  name: 'latency',
  about: '200 ms more for each packet to and from Postgres, for 8 s',
  run: async ({ proxy }) => {
    proxy.delay(200)
    await delay(8_000)
    proxy.delay(0)
    return []
  },
}

const deadlockPressure: Fault = {
  name: 'deadlocks',
  about: 'another program locks menu items in random order for 6 s',
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

const hotItem: Fault = {
  name: 'hot-item',
  about: `${HOT_ORDERS} orders at once for ${HOT_STOCK} portions: exactly ${HOT_STOCK} are sold`,
  run: async ({ clients, postgres, menu }) => {
    const item = newId()
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
    const rows = await settled(postgres, accepted)
    const sold = rows.filter(({ status }) => status === 'PREPARING').length
    const [left] = await postgres.query<{ available_qty: number }>(
      'select available_qty from menu_items where menu_item_id = $1',
      [item],
    )
    const wanted = Math.min(HOT_STOCK, accepted.length)
    return sold === wanted && left?.available_qty === HOT_STOCK - wanted
      ? []
      : [`sold ${sold} of ${HOT_STOCK}, ${left?.available_qty} left`]
  },
}

const idleTransaction: Fault = {
  name: 'idle-transaction',
  about: 'another program holds locks on orders and items, idle in its transaction, for 7 s',
  run: async ({ postgres, menu }) => {
    const client = await postgres.connect()
    while (!(await takeLocks(client, menu))) await client.query('rollback')
    await delay(7_000)
    await client.query('rollback')
    await client.end()
    return []
  },
}

/** Items before orders, against the rule that everybody else keeps: it may be this one that a deadlock ends. */
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

const POISON_RETRY_LIMIT = 2

const poisonThrows: Fault = {
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

const poisonExits: Fault = {
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

const retryStorm: Fault = {
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

export const faults: Fault[] = [
  kill('api'),
  kill('dispatcher'),
  kill('worker'),
  trap('dispatcher', 'dispatcher.claimed'),
  trap('dispatcher', 'dispatcher.jobs-inserted'),
  trap('dispatcher', 'dispatcher.before-commit'),
  trap('dispatcher', 'dispatcher.after-commit'),
  trap('worker', 'worker.begun'),
  trap('worker', 'worker.effect-written'),
  trap('worker', 'worker.before-commit'),
  trap('worker', 'worker.after-commit'),
  freezeWorker,
  rollingRestart,
  terminateBackends,
  killListeners,
  killPostgres,
  restartPostgres,
  halfOpen,
  latency,
  deadlockPressure,
  hotItem,
  idleTransaction,
  poisonThrows,
  poisonExits,
  retryStorm,
]

function describe({ role, index }: Member): string {
  return `${role} ${index}`
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

async function settled(postgres: Postgres, orderIds: string[]): Promise<{ status: string }[]> {
  let rows: { status: string }[] = []
  await untilTrue(60_000, async () => {
    rows = await postgres.query<{ status: string }>('select status from orders where order_id = any($1)', [
      orderIds,
    ])
    return rows.every(({ status }) => status !== 'PLACED')
  })
  return rows
}

async function isSilentInTransaction(postgres: Postgres): Promise<boolean> {
  const rows = await postgres.query(
    `select 1 from pg_stat_activity where application_name = 'comanda-worker' and state = 'idle in transaction'
      and state_change < clock_timestamp() - interval '0.5 s'`,
  )
  return rows.length > 0
}

/** @returns whether the order has left PLACED in time */
export async function untilPrepared(
  postgres: Postgres,
  { order_id }: { order_id: string | undefined },
  timeoutMs: number,
): Promise<boolean> {
  return await untilTrue(timeoutMs, async () => {
    const rows = await postgres.query(`select 1 from orders where order_id = $1 and status <> 'PLACED'`, [
      order_id,
    ])
    return rows.length === 1
  })
}

const POLL_MS = 100

/** @returns whether it came true in time */
export async function untilTrue(timeoutMs: number, look: () => Promise<boolean>): Promise<boolean> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    if (await look().catch(() => false)) return true
    if (Date.now() > deadline) return false
    await delay(POLL_MS)
  }
}
