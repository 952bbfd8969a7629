import { withFreshSystem } from './as-it-comes.ts'
import { ALL, type Figures, type FreshBench, untilDrained } from './bench.ts'
import { BenchSystem } from './bench-system.ts'
import { closedLoop } from './closed-loop.ts'

const SETTINGS = {
  shared_preload_libraries: 'pg_stat_statements',
  'pg_stat_statements.track_planning': 'on',
  track_io_timing: 'on',
}
const SHOWN_COUNT = 15
const NAME_LENGTH = 60

/**
 * Measures what an order costs Postgres end to end at 128 connections: the time of its statements
 * with waits, their number, CPU, transactions and WAL. The statements of this process are not
 * counted, but their CPU is.
 */
export async function statements({ seconds, checkout }: FreshBench): Promise<Figures> {
  const system = await BenchSystem.createAsItComes({ checkout }, SETTINGS)
  return await withFreshSystem(system, ALL, async ({ bodies }) => {
    await system.query('create extension if not exists pg_stat_statements')
    const before = await totalsOf(system)
    await system.query('select pg_stat_statements_reset()')
    await closedLoop({ baseUrl: system.api.baseUrl, bodies, connections: 128, seconds })
    await untilDrained({ system })
    const rows = await system.query<{ name: string; us: number; calls: number }>(statementsSql, [NAME_LENGTH])
    const after = await totalsOf(system)
    const orders = after.orders - before.orders
    const sum = (figure: 'us' | 'calls') => rows.reduce((total, row) => total + row[figure], 0) / orders
    return {
      orders,
      'statement time per order µs': sum('us'),
      'statements per order': sum('calls'),
      'Postgres CPU per order µs': ((after.cpuSeconds - before.cpuSeconds) * 1e6) / orders,
      'transaction ids per order': (after.xids - before.xids) / orders,
      'WAL per order bytes': (after.wal - before.wal) / orders,
      ...Object.fromEntries(rows.slice(0, SHOWN_COUNT).map(({ name, us }) => [`${name} µs`, us / orders])),
    }
  })
}

type Totals = Record<'orders' | 'xids' | 'wal' | 'cpuSeconds', number>

async function totalsOf(system: BenchSystem): Promise<Totals> {
  const [totals] = await system.query<Omit<Totals, 'cpuSeconds'>>(totalsSql)
  if (!totals) throw new Error('no totals')
  return { ...totals, cpuSeconds: system.serverCpuSeconds }
}

/** By the first words of a statement, the most expensive ones first. */
const statementsSql = `
  select left(regexp_replace(query, '\\s+', ' ', 'g'), $1) as name,
    sum(total_exec_time + total_plan_time)::float8 * 1000 as us, sum(calls)::integer as calls
  from pg_stat_statements
  group by 1
  order by 2 desc
`

/**
 * Not from `pg_stat_database` and `pg_stat_wal`, which sessions update after a second, or later.
 * Savepoints have transaction ids, too; transactions that write nothing have none.
 */
const totalsSql = `
  select (select count(*) from orders)::integer as orders,
    pg_snapshot_xmax(pg_current_snapshot())::text::float8 as xids,
    (pg_current_wal_insert_lsn() - '0/0')::float8 as wal
`
