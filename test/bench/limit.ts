import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { capture } from './load.ts'

/**
 * The limit that everybody assumes: one commit an order. The bare placement statement, with nothing before or behind
 * it, prepared, from 32 connections.
 */
const CLIENT_COUNT = 32

const hasPgbench = spawnSync('pgbench', ['--version']).error === undefined

export interface Menu {
  restaurant_id: string
  menu_item_ids: string[]
}

/** By pgbench; undefined where it is not installed. @returns orders a second */
export async function limitByPgbench(url: string, menu: Menu, seconds: number): Promise<number | undefined> {
  if (!hasPgbench) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'comanda-pgbench-'))
  const file = join(folder, 'place.sql')
  writeFileSync(file, placementSql(menu))
  const { hostname, port, username, password, pathname } = new URL(url)
  const args = [
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
  try {
    const output = await capture(
      'pgbench',
      [...args, '-h', hostname, '-p', port, '-U', username, pathname.slice(1)],
      {
        PGPASSWORD: password,
      },
    )
    return Number(/tps = ([\d.]+)/.exec(output)?.[1])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The same through node-postgres in one process. @returns orders a second */
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
  insert into orders (order_id, restaurant_id, status, version, currency, total_minor, placed_at, updated_at)
  values (uuidv7(), '${restaurant_id}', 'PLACED', 1, 'EUR', 950, clock_timestamp(), clock_timestamp())
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
