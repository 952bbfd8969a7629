import type { Database } from '../../db/database.ts'
import type { Tx } from '../../db/transaction.ts'

/** Groups that a process's own login is put into (`give-login.ts`). */
const processRoles = ['comanda_api', 'comanda_dispatcher', 'comanda_worker', 'comanda_dashboard'] as const

type ProcessRole = (typeof processRoles)[number]

/** What every process of the flow does: say that it lives, learn what is paused, check callers, and show how things are. */
const everyProcess = [
  'select on schema_migrations, paused_queues, api_keys',
  'select, insert, update, delete on process_heartbeats',
  'usage on schema ops, pgboss',
  'select on all tables in schema ops',
  'select on pgboss.version',
]

/** What a status change writes of an order. */
const orderProgress = 'status, version, cancellation_reason, shortages, updated_at'

/**
 * What each role may do: what its statements need, and no more. None may delete an order, a line of its history or of
 * the stock ledger, or change a line of either. `(jobs)` stands for pg-boss's tables of jobs, which it makes as queues need them.
 */
const grants: Record<ProcessRole, readonly string[]> = {
  comanda_api: [
    ...everyProcess,
    'select, insert on restaurants, menu_items, orders, order_items, order_transitions, stock_movements, idempotency_keys',
    'select on api_secrets, restaurant_hours, projection_cursors',
    'update (name, deactivated_at, version) on restaurants',
    'update (name, price_minor, low_stock_threshold, deactivated_at, version, available_qty, updated_at) on menu_items',
    `update (${orderProgress}) on orders`,
    'insert, select (event_id, restaurant_id, type, order_id, payload, trace_context, created_at, xid) on outbox_events',
    'select, insert, update, delete on rate_limits',
    'select, insert, update on webhooks, webhook_deliveries',
    'select on webhook_attempts',
  ],
  comanda_dispatcher: [
    ...everyProcess,
    'select, update (dispatched_at, attempts, quarantined_at, error) on outbox_events',
    'select (webhook_id, status, type_patterns, restaurant_ids) on webhooks',
    'select, insert, delete on webhook_deliveries',
    'select, insert on (jobs)',
    'select on pgboss.queue',
    'select, insert, update, delete on pgboss.instance',
  ],
  comanda_worker: [
    ...everyProcess,
    'select on restaurants, order_items',
    `select, update (${orderProgress}) on orders`,
    'select, update (available_qty, updated_at) on menu_items',
    'select, insert on order_transitions, stock_movements, dead_letters',
    'select, insert, delete on outbox_events, processed_events',
    'select, insert, update, delete on job_trials',
    'select, insert, update on stock_checkpoints, restaurant_hours',
    'select, update on projection_cursors',
    'select, delete on idempotency_keys, rate_limits',
    'select, update (status, disabled_reason, disabled_at, failing_since, last_success_at, updated_at, version), delete on webhooks',
    'select, insert, update, delete on webhook_deliveries',
    'select, insert, delete on webhook_attempts',
    'select, insert, update, delete, maintain on all tables in schema pgboss',
  ],
  comanda_dashboard: ['usage on schema pgboss', 'select on all tables in schema pgboss'],
}

/**
 * Creates the roles of the processes, where the migrating login may, and gives each exactly what it needs; anew after each
 * migration, because pg-boss makes tables too. Atomic: a running process never misses a right.
 */
export async function grantRoles(database: Database): Promise<void> {
  for (const role of processRoles) await database.execute(createRoleSql(role))
  await database.transaction(async tx => {
    const there = await tx.query<{ rolname: ProcessRole }>(rolesSql, [processRoles])
    const [jobs] = await tx.query<{ tables: string }>(jobTablesSql)
    for (const { rolname } of there) await grant(tx, rolname, jobs?.tables ?? '')
  })
}

async function grant(tx: Tx, role: ProcessRole, jobTables: string): Promise<void> {
  for (const schema of ['public', 'pgboss', 'ops'])
    await tx.execute(`revoke all on all tables in schema ${schema} from ${role}`)
  for (const each of grants[role]) await tx.execute(`grant ${each.replace('(jobs)', jobTables)} to ${role}`)
}

/** Roles belong to the whole server: another database may have made it, or be making it just now. */
export function createRoleSql(role: string): string {
  return `
  do $$
  begin
    if not exists (select from pg_roles where rolname = '${role}') then
      create role ${role} nologin;
    end if;
  exception
    when duplicate_object or unique_violation or insufficient_privilege then
      null;
  end
  $$
`
}

const rolesSql = `
  select rolname
  from pg_roles
  where rolname = any($1)
  order by rolname
`

const jobTablesSql = `
  select string_agg(relid::text, ', ' order by relid) as tables
  from pg_partition_tree('pgboss.job')
`
