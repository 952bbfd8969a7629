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
 * with waits, their number, commits and WAL. The statements of this process are not counted.
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
      'commits per order': (after.commits - before.commits) / orders,
      'WAL per order bytes': (after.wal - before.wal) / orders,
      ...Object.fromEntries(rows.slice(0, SHOWN_COUNT).map(({ name, us }) => [`${name} µs`, us / orders])),
    }
  })
}

type Totals = Record<'orders' | 'commits' | 'wal', number>

async function totalsOf(system: BenchSystem): Promise<Totals> {
  const [totals] = await system.query<Totals>(totalsSql)
  if (!totals) throw new Error('no totals')
  return totals
}

/** By the first words of a statement, the most expensive ones first. */
const statementsSql = `
  select left(regexp_replace(query, '\\s+', ' ', 'g'), $1) as name,
    sum(total_exec_time + total_plan_time)::float8 * 1000 as us, sum(calls)::integer as calls
  from pg_stat_statements
  group by 1
  order by 2 desc
`

const totalsSql = `
  select (select count(*) from orders)::integer as orders,
    (select xact_commit from pg_stat_database where datname = current_database())::float8 as commits,
    (select wal_bytes from pg_stat_wal)::float8 as wal
`
