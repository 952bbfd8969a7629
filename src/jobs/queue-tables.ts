import type { Queue } from 'pg-boss'
import type { Database } from '../db/database.ts'
import type { Sql } from '../db/transaction.ts'

/**
 * All that depends on the tables of pg-boss, beyond its API and the views of `ops`. package.json
 * pins the exact version; test/jobs/queue-tables.test.ts fails when another one no longer fits.
 */

/**
 * Gives a queue another policy. pg-boss cannot change the policy of a queue, so the queue is
 * created again. Its unfinished and failed jobs keep their id, state, attempts, times and key;
 * finished jobs are dropped. The grants on its table are kept. Of two unfinished jobs of one event,
 * the one in progress or created first is kept. Atomic: other processes wait until it is committed,
 * then find a table of the same name.
 */
export async function changePolicy(
  database: Database,
  { name, policy = 'standard', ...options }: Queue,
): Promise<void> {
  await database.transaction(async tx => {
    await tx.execute('lock table pgboss.job in access exclusive mode')
    await tx.execute(keepSql, [name])
    const grants = await tx.query<{ statement: string }>(grantsSql, [name])
    await tx.execute('select pgboss.delete_queue($1)', [name])
    await tx.execute('select pgboss.create_queue($1, $2::jsonb)', [
      name,
      JSON.stringify({ policy, ...options }),
    ])
    for (const { statement } of grants) await tx.execute(statement)
    await keyJobsByEvent(tx, name)
    await tx.execute('update kept_jobs set policy = $1', [policy])
    await tx.execute(restoreSql)
  })
}

const keepSql = `
  create temporary table kept_jobs on commit drop as
  select *
  from pgboss.job
  where name = $1
    and state in ('created', 'retry', 'active', 'failed')
`

const grantsSql = `
  select format('grant %s on pgboss.%I to %I', privilege_type, relname, rolname) as statement
  from pgboss.queue
  join pg_class on relnamespace = 'pgboss'::regnamespace and relname = table_name
  cross join aclexplode(relacl) as acl
  join pg_roles on pg_roles.oid = acl.grantee
  where queue.name = $1
    and acl.grantee <> relowner
`

const restoreSql = `
  insert into pgboss.job
  select *
  from kept_jobs
  order by state = 'active' desc, created_on, id
  on conflict do nothing
`

/**
 * Makes Postgres give a job that comes without a singleton key the id of its event, or its own id.
 * Without a key, at most one job of an exclusive queue could wait: pg-boss would drop the others
 * silently. Processes of an earlier version send no keys, nor may operators.
 */
export async function keyJobsByEvent(sql: Sql, queue: string): Promise<void> {
  const [row] = await sql.query<{ table_name: string }>(
    'select table_name from pgboss.queue where name = $1',
    [queue],
  )
  if (!row) throw new Error(`queue ${queue} does not exist`)
  await sql.execute(keyFunctionSql)
  await sql.execute(`
    create or replace trigger a_job_without_a_key_gets_the_id_of_its_event
    before insert on pgboss.${row.table_name}
    for each row
    when (new.singleton_key is null)
    execute function key_job_by_event()
  `)
}

const keyFunctionSql = `
  create or replace function key_job_by_event() returns trigger
  language plpgsql
  as $$
    begin
      new.singleton_key := coalesce(new.data ->> 'event_id', new.id::text);
      return new;
    end
  $$
`

/** A queue that `npm run migrate` of this version has not created. */
interface UnfitQueue {
  name: string
  policy: string | null
}

/** Returns the queues that do not exist or have another policy than the given one. */
export async function unfitQueues(sql: Sql, policies: ReadonlyMap<string, string>): Promise<UnfitQueue[]> {
  return await sql.query<UnfitQueue>(unfitSql, [[...policies.keys()], [...policies.values()]])
}

const unfitSql = `
  select wanted.name, queue.policy
  from unnest($1::text[], $2::text[]) as wanted (name, policy)
  left join pgboss.queue on queue.name = wanted.name
  where queue.policy is distinct from wanted.policy
  order by wanted.name
`
