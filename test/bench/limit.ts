import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import type { Menu } from '../support/pipeline.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { capture } from './capture.ts'

/**
 * The supposed upper limit of placement: one commit per order. Measures the bare placement
 * statement, prepared, from 32 connections, without the API.
 */
const CLIENT_COUNT = 32

const hasPgbench = spawnSync('pgbench', ['--version']).error === undefined

/** Measures with pgbench, or with node-postgres where pgbench is not installed. */
export async function limitOn(url: string, menu: Menu, seconds: number): Promise<number> {
  return (await limitByPgbench(url, menu, seconds)) ?? (await limitByPg(url, menu, seconds))
}

/** Measures with pgbench. @returns orders per second; undefined where pgbench is not installed */
export async function limitByPgbench(url: string, menu: Menu, seconds: number): Promise<number | undefined> {
  if (!hasPgbench) return undefined
  const folder = temporaryFolder('pgbench')
  const file = join(folder, 'place.sql')
  writeFileSync(file, placementSql(menu))
  const { hostname, port, username, password, pathname } = new URL(url)
  const load = [
    '-n',
    '-M',
    'prepared',
    '-c',
    String(CLIENT_COUNT),
    '-j',
    '2',
    '-T',
    String(seconds),
    '-f',
    file,
  ]
  const connection = ['-h', hostname, '-p', port, '-U', username, pathname.slice(1)]
  try {
    const output = await capture('pgbench', [...load, ...connection], { PGPASSWORD: password })
    return Number(/tps = ([\d.]+)/.exec(output)?.[1])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Measures with node-postgres in one process. @returns orders per second */
export async function limitByPg(url: string, menu: Menu, seconds: number): Promise<number> {
  const clients = await Promise.all(
    Array.from({ length: CLIENT_COUNT }, async () => {
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      return client
    }),
  )
  const statement = { name: 'place', text: placementSql(menu) }
  const started = performance.now()
  const deadline = started + seconds * 1_000
  let placed = 0
  await Promise.all(
    clients.map(async client => {
      while (performance.now() < deadline) {
        await client.query(statement)
        placed++
      }
    }),
  )
  const perSecond = placed / ((performance.now() - started) / 1_000)
  await Promise.all(clients.map(client => client.end()))
  return perSecond
}

function placementSql({ restaurant_id, menu_item_ids: [item = ''] }: Menu): string {
  return `with o as (
  insert into orders (order_id, restaurant_id, status, version, currency, currency_decimals, total_minor, placed_at, updated_at)
  values (uuidv7(), '${restaurant_id}', 'PLACED', 1, 'EUR', 2, 950, clock_timestamp(), clock_timestamp())
  returning order_id, restaurant_id, placed_at
), i as (
  insert into order_items (order_id, restaurant_id, menu_item_id, line_no, name, price_minor, quantity)
  select order_id, restaurant_id, '${item}', 1, 'Pizza', 950, 1 from o
), t as (
  insert into order_transitions (order_id, restaurant_id, seq, to_status, actor, at)
  select order_id, restaurant_id, 1, 'PLACED', 'client', placed_at from o
)
insert into outbox_events (event_id, restaurant_id, type, order_id, payload)
select uuidv7(), restaurant_id, 'order.placed.v1', order_id, jsonb_build_object('order_id', order_id,
  'restaurant_id', restaurant_id, 'customer_id', null, 'currency', 'EUR', 'total_amount', '9.50', 'placed_at', placed_at,
  'items', jsonb_build_array(jsonb_build_object('menu_item_id', '${item}', 'name', 'Pizza', 'quantity', 1, 'price', '9.50')))
from o
`
}
