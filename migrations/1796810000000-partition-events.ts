import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Both migrations partition the tables of events by time, with their rows and without downtime: a
 * table becomes the first partition as it is. A bound of its ids that is validated beforehand
 * spares reading the table under a lock.
 */
const tables = ['outbox_events', 'processed_events']

/**
 * Bounds the ids of existing and new rows. The bound is a day ahead, so that it refuses no row of
 * the processes that run until the next migration.
 */
export class BoundEvents1796805000000 implements MigrationInterface {
  name = 'BoundEvents1796805000000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(lockSql)
    for (const table of tables) {
      const [bound] = await runner.query(
        `select uuidv7_at(date_trunc('minute', clock_timestamp()) + interval '1 day') as id`,
      )
      await runner.query(
        `alter table ${table} add constraint first_partition_ends check (event_id < '${bound.id}') not valid`,
      )
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of tables)
      await runner.query(`alter table ${table} drop constraint if exists first_partition_ends`)
  }
}

/**
 * Replaces both tables by partitioned ones. Reading and moving rows comes first and blocks nobody;
 * the locks that block are held only while the catalog changes.
 */
export class PartitionEvents1796810000000 implements MigrationInterface {
  name = 'PartitionEvents1796810000000'

  async up(runner: QueryRunner): Promise<void> {
    for (const table of tables) await separateRowsBeyondBound(runner, table)
    // Views of `ops` depend on the tables. `migrate` creates the views again.
    await runner.query('drop schema if exists ops cascade')
    await runner.query(lockSql)
    for (const table of tables) await replaceTable(runner, table)
    for (const statement of functions) await runner.query(statement)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop schema if exists ops cascade')
    await runner.query('drop function create_partition, drop_partition')
    for (const table of tables) {
      const definitions = await definitionsOf(runner, table)
      await runner.query(`alter table ${table} rename to partitioned_events`)
      await runner.query(
        `create table ${table} (like partitioned_events including defaults)${storageOf(table)}`,
      )
      await runner.query(`insert into ${table} select * from partitioned_events`)
      await runner.query('drop table partitioned_events')
      for (const definition of definitions) await runner.query(definition)
    }
  }
}

/** Waits 100 ms at a time, so that statements of others queue behind it no longer than that. */
const lockSql = `
  do $$
  begin
    for attempt in 1..200 loop
      begin
        set local lock_timeout = '100ms';
        lock table ${tables.join(', ')} in access exclusive mode;
        return;
      exception when lock_not_available then
        perform pg_sleep(0.2);
      end;
    end loop;
    raise exception 'another session holds ${tables.join(' or ')} (see pg_locks): migrate again';
  end
  $$
`

const storageOf = (table: string) => (table === 'outbox_events' ? ' with (fillfactor = 80)' : '')

/** Moves rows with ids beyond the bound into the future default partition, and validates the bound. */
async function separateRowsBeyondBound(runner: QueryRunner, table: string): Promise<void> {
  await runner.query(`create table ${table}_default (like ${table} including all)${storageOf(table)}`)
  await runner.query(`alter table ${table}_default drop constraint first_partition_ends`)
  await runner.query(`
    with moved as (
      delete from ${table}
      where event_id >= '${await boundOf(runner, table)}'
      returning *
    )
    insert into ${table}_default
    select *
    from moved
  `)
  await runner.query(`alter table ${table} validate constraint first_partition_ends`)
}

async function boundOf(runner: QueryRunner, table: string): Promise<string> {
  const [bound] = await runner.query(`
    select substring(pg_get_constraintdef(oid) from '''([0-9a-f-]{36})''') as id
    from pg_constraint
    where conrelid = '${table}'::regclass
      and conname = 'first_partition_ends'
  `)
  return bound.id
}

async function replaceTable(runner: QueryRunner, table: string): Promise<void> {
  const first = `${table}_first`
  const bound = await boundOf(runner, table)
  const definitions = await definitionsOf(runner, table)
  const indexes = await runner.query(
    `select indexrelid::regclass as name from pg_index where indrelid = '${table}'::regclass`,
  )
  await runner.query(`alter table ${table} rename to ${first}`)
  for (const { name } of indexes) await runner.query(`alter index ${name} rename to ${name}_of_first`)
  await runner.query(`create table ${table} (like ${first} including defaults) partition by range (event_id)`)
  for (const definition of definitions) await runner.query(definition)
  await copyGrants(runner, first, table)
  const [row] = await runner.query(`select 1 from ${first} limit 1`)
  if (row) {
    await runner.query(
      `alter table ${table} attach partition ${first} for values from (minvalue) to ('${bound}')`,
    )
    await runner.query(`alter table ${first} drop constraint first_partition_ends`)
  } else {
    await runner.query(`drop table ${first}`)
  }
  await runner.query(`alter table ${table} attach partition ${table}_default default`)
}

/** Returns the statements that create the constraints and indexes of a table. */
async function definitionsOf(runner: QueryRunner, table: string): Promise<string[]> {
  const rows = await runner.query(`
    select format('alter table ${table} add constraint %I %s', conname, pg_get_constraintdef(oid)) as definition
    from pg_constraint
    where conrelid = '${table}'::regclass
      and contype in ('p', 'c')
      and conname <> 'first_partition_ends'
    union all
    select replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ')
    from pg_index
    where indrelid = '${table}'::regclass
      and not indisprimary
  `)
  return rows.map(({ definition }: { definition: string }) => definition)
}

/** Running processes keep their privileges before `migrate` grants them again. */
async function copyGrants(runner: QueryRunner, from: string, to: string): Promise<void> {
  const grants = await runner.query(`
    select format('grant %s on ${to} to %s', privilege_type, grantee::regrole) as statement
    from pg_class
    cross join aclexplode(relacl)
    where oid = '${from}'::regclass
      and grantee not in (0, relowner)
    union all
    select format('grant %s (%I) on ${to} to %s', privilege_type, attname, grantee::regrole)
    from pg_attribute
    cross join aclexplode(attacl)
    where attrelid = '${from}'::regclass
      and grantee <> 0
  `)
  for (const { statement } of grants) await runner.query(statement)
}

/**
 * Workers, which do not own the tables, create and drop partitions by these functions only. Both
 * return false, and change nothing, when another session holds a lock for longer than 100 ms or has
 * made the same change, and
 * `drop_partition` also when the partition has not expired, or has events that are not dispatched.
 */
const functions = [
  `create function create_partition(parent text, from_at timestamptz, until_at timestamptz) returns boolean
  language plpgsql security definer
  set search_path = public, pg_temp
  set lock_timeout = '100ms'
  as $$
  declare
    partition text := parent || to_char(from_at at time zone 'UTC', '_YYYYMMDD_HH24MI');
  begin
    if parent not in ('outbox_events', 'processed_events') or until_at < from_at + interval '1 minute' then
      raise exception 'no partition of % from % to %', parent, from_at, until_at;
    end if;
    execute format('create table %I (like %I including all)', partition, parent);
    if parent = 'outbox_events' then
      execute format('alter table %I set (fillfactor = 80)', partition);
    end if;
    -- Inserts go on: only statements that read the default partition wait.
    execute format('lock table only %I in share update exclusive mode', parent);
    execute format('lock table %I in access exclusive mode', parent || '_default');
    execute format('with moved as (delete from %I where event_id >= uuidv7_at(%L) and event_id < uuidv7_at(%L) returning *)
      insert into %I select * from moved', parent || '_default', from_at, until_at, partition);
    execute format('alter table %I attach partition %I for values from (%L) to (%L)',
      parent, partition, uuidv7_at(from_at), uuidv7_at(until_at));
    return true;
  exception when lock_not_available or duplicate_table or invalid_object_definition then
    return false;
  end
  $$`,
  `create function drop_partition(partition text) returns boolean
  language plpgsql security definer
  set search_path = public, pg_temp
  set lock_timeout = '100ms'
  as $$
  declare
    parent text;
    is_expired boolean;
    is_held boolean;
  begin
    select p.relname,
      substring(pg_get_expr(c.relpartbound, c.oid) from 'TO \\(''([0-9a-f-]{36})''\\)')::uuid <= uuidv7_at(r.kept_since)
    into parent, is_expired
    from pg_class as c
    join pg_inherits as i on i.inhrelid = c.oid
    join pg_class as p on p.oid = i.inhparent
    join retention as r on r.name = p.relname
    where c.relname = partition
      and c.relnamespace = 'public'::regnamespace
      and p.relname in ('outbox_events', 'processed_events');
    if is_expired is null then
      raise exception '% is no partition that can be dropped', partition;
    end if;
    execute format('lock table only %I in access exclusive mode', parent);
    execute format('alter table %I detach partition %I', parent, partition);
    if not is_expired then
      execute format('select exists (select from %I)', partition) into is_held;
    elsif parent = 'outbox_events' then
      execute format('select exists (select from %1$I where dispatched_at is null and quarantined_at is null)
        or exists (select from %1$I where quarantined_at is not null)', partition) into is_held;
    end if;
    if is_held then
      raise object_in_use;
    end if;
    execute format('drop table %I', partition);
    return true;
  exception when lock_not_available or object_in_use then
    return false;
  end
  $$`,
  'revoke execute on function create_partition, drop_partition from public',
]
