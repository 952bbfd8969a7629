import type { Database } from '../../db/database.ts'
import type { Tx } from '../../db/transaction.ts'
import type { Logger } from '../../platform/log.ts'

/** Group roles, of which the login of a process is a member (`create-login.ts`). */
const processRoles = [
  'comanda_api',
  'comanda_dispatcher',
  'comanda_worker',
  'comanda_dashboard',
  'comanda_operations',
] as const

/** Group role that may only read the schema `ops`: `grant comanda_operator to ada`. */
export const OPERATOR_ROLE = 'comanda_operator'

type ProcessRole = (typeof processRoles)[number]

/** Heartbeats, paused queues, API keys for `/metrics`, and the views that `/metrics` reads. */
const everyProcess = [
  'select on schema_migrations, paused_queues, held_queues, api_keys, retention',
  'select, insert, update, delete on process_heartbeats',
  'usage on schema ops, pgboss',
  'select on all tables in schema ops',
  'select on pgboss.version',
]

/** Columns that a transition writes. */
const orderProgress = 'status, version, cancellation_reason, shortages, ready_at, updated_at'

/** Columns that a change or the end of inactivity writes. */
const availability = 'deactivated_at, inactive_until, inactive_reason, version'

/**
 * The least privileges that the statements of each role need. No role may delete orders, or change
 * or delete rows of the history and the stock ledger. `(jobs)` stands for the job tables of
 * pg-boss, which pg-boss creates as queues need them.
 */
const grants: Record<ProcessRole, readonly string[]> = {
  comanda_api: [
    ...everyProcess,
    'select, insert on restaurants, menu_items, orders, order_items, order_transitions, order_references, stock_movements, idempotency_keys',
    'select on api_secrets, slot_assignment, restaurant_quarter_hours, failed_statistics, projection_cursors',
    `update (name, time_zone, ${availability}) on restaurants`,
    `update (name, price_minor, low_stock_threshold, available_qty, updated_at, ${availability}) on menu_items`,
    `update (${orderProgress}) on orders`,
    'insert, select (event_id, restaurant_id, type, order_id, payload, trace_context, created_at, xid) on outbox_events',
    'select, insert, update, delete on rate_limits',
    'select, insert, update on webhooks, webhook_deliveries, webhook_secrets',
    'delete on webhook_secrets',
    'select on webhook_attempts, dead_letters',
  ],
  comanda_dispatcher: [
    ...everyProcess,
    'select, update (dispatched_at, attempts, quarantined_at, error) on outbox_events',
    'select (webhook_id, status, type_patterns, restaurant_ids) on webhooks',
    'select, insert, delete on webhook_deliveries',
    'select, insert on (jobs)',
    'insert, update, delete on held_queues',
    'select on pgboss.queue',
    'select, insert, update, delete on pgboss.instance',
  ],
  comanda_worker: [
    ...everyProcess,
    'select on order_items',
    `select, update (${availability}) on restaurants`,
    `select, update (${orderProgress}) on orders`,
    `select, update (available_qty, updated_at, ${availability}) on menu_items`,
    'select, insert on order_transitions, stock_movements, dead_letters',
    'select, insert, delete on outbox_events, processed_events',
    'select, insert, update, delete on job_trials',
    'select, insert, update on stock_checkpoints, restaurant_quarter_hours, failed_statistics',
    'select, update on projection_cursors',
    'select, delete on idempotency_keys, rate_limits',
    'update (kept_since) on retention',
    'select, delete on outbox_events_default, processed_events_default',
    'execute on function create_partition, drop_partition',
    'select, update (status, disabled_reason, disabled_at, failing_since, last_success_at, updated_at, version), delete on webhooks',
    'select, insert, update, delete on webhook_deliveries',
    'select, insert, delete on webhook_attempts',
    'select, delete on webhook_secrets',
    'select, insert, update, delete, maintain on all tables in schema pgboss',
  ],
  comanda_dashboard: ['usage on schema pgboss', 'select on all tables in schema pgboss'],
  comanda_operations: [
    'select on schema_migrations, retention, webhook_attempts',
    'usage on schema pgboss',
    'select on pgboss.version, pgboss.queue',
    'select, insert, update on (jobs)',
    'select, insert on idempotency_keys',
    'insert on ops_audit',
    'select, insert, delete on paused_queues',
    'select, update (fate, fate_at, redriven_job_id) on dead_letters',
    'select, update (quarantined_at, error) on outbox_events',
    'select, insert, update on webhook_deliveries',
    'select (webhook_id, status, paused_at), update (paused_at) on webhooks',
    'select, insert, update (status, matched_count, done_count, failed_count, skipped_count, failures, worked_at, ended_at, result, due_at, chunk_count, failed_attempts, error) on ops_actions',
    'select, insert, delete on ops_action_targets',
    'usage on schema ops',
    'select on ops.actions',
  ],
}

/**
 * Creates the process roles, if the login may create roles, and replaces their privileges. Runs
 * after each migration, because pg-boss creates tables too. Atomic: running processes keep their
 * privileges. Logs the roles that are missing, which get none.
 */
export async function grantRoles(database: Database, log: Logger): Promise<void> {
  for (const role of processRoles) await database.execute(createRoleSql(role))
  await database.transaction(async tx => {
    const existing = await tx.query<{ rolname: ProcessRole }>(rolesSql, [processRoles])
    const [jobs] = await tx.query<{ tables: string }>(jobTablesSql)
    for (const { rolname } of existing) await grant(tx, rolname, jobs?.tables ?? '')
  })
  await warnOfMissing(database, log)
}

async function warnOfMissing(database: Database, log: Logger): Promise<void> {
  const roles = [...processRoles, OPERATOR_ROLE]
  const missing = await database.query<{ name: string; has_login: boolean | null }>(missingSql, [roles])
  const groups = missing.filter(({ has_login }) => has_login === null).map(({ name }) => name)
  if (groups.length > 0)
    log.warn(
      { groups },
      'these groups do not exist, and this login may not create them: as an administrator, run `create role <group> nologin` for each, then run `npm run migrate` again; until then, processes with a login of their own cannot start',
    )
  const unused = missing.filter(({ has_login }) => has_login === false).map(({ name }) => name)
  if (unused.length > 0)
    log.warn(
      { groups: unused },
      'no login is a member of these groups, and this login may not create roles: as an administrator, create a login for each process and run `grant <group> to <login>`',
    )
}

async function grant(tx: Tx, role: ProcessRole, jobTables: string): Promise<void> {
  for (const schema of ['public', 'pgboss', 'ops'])
    await tx.execute(`revoke all on all tables in schema ${schema} from ${role}`)
  for (const each of grants[role]) await tx.execute(`grant ${each.replace('(jobs)', jobTables)} to ${role}`)
}

/**
 * Returns a statement that creates a role unless it exists; all databases of a server share roles.
 */
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

/**
 * Groups that do not exist, and groups of processes without a login. The latter only if `npm run
 * logins` cannot create the logins.
 */
const missingSql = `
  select wanted.name,
    case when pg_roles.oid is not null then false end as has_login
  from unnest($1::text[]) as wanted (name)
  left join pg_roles on pg_roles.rolname = wanted.name
  where pg_roles.oid is null
    or (
      wanted.name in ('comanda_api', 'comanda_dispatcher', 'comanda_worker')
      and not (select rolcreaterole or rolsuper from pg_roles where rolname = current_user)
      and not exists (
        select from pg_auth_members
        join pg_roles as login on login.oid = member
        where roleid = pg_roles.oid
          and login.rolcanlogin
          and login.rolname <> current_user
      )
    )
  order by wanted.name
`

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
