import type { JobWithMetadata } from 'pg-boss'
import type { Tx } from '../db/transaction.ts'

/** Copies dead-lettered jobs into `dead_letters`, which never expires. Idempotent per job. */
export async function recordDeadLetters(tx: Tx, jobs: JobWithMetadata[]): Promise<void> {
  const letters = jobs.map(job => ({
    dead_letter_id: job.id,
    queue: job.sourceName,
    job_id: job.sourceId ?? job.id,
    attempts: (job.sourceRetryCount ?? 0) + 1,
    first_queued_at: job.sourceCreatedOn ?? job.createdOn,
    dead_at: job.createdOn,
    data: job.data,
    error: job.sourceOutput,
  }))
  await tx.execute(recordSql, [JSON.stringify(letters)])
}

const recordSql = `
  insert into dead_letters (dead_letter_id, restaurant_id, queue, job_id, event_id, event_type, order_id,
    data, error, attempts, first_queued_at, dead_at)
  select dead_letter_id, (data ->> 'restaurant_id')::uuid, queue, job_id, (data ->> 'event_id')::uuid,
    data ->> 'type', (data ->> 'order_id')::uuid, data, error, attempts, first_queued_at, dead_at
  from jsonb_to_recordset($1::jsonb) as letter (dead_letter_id uuid, queue text, job_id uuid, data jsonb,
    error jsonb, attempts integer, first_queued_at timestamptz, dead_at timestamptz)
  on conflict do nothing
`
