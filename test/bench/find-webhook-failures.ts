import { runChecks } from '../../scripts/support/run-checks.ts'
import type { BenchSystem } from './bench-system.ts'
import type { VerifyingReceiver } from './verifying-receiver.ts'

/** An event in the outbox. */
export interface CommittedEvent {
  event_id: string
  /** commit time, in ms since the epoch */
  at: number
}

/**
 * Compares what each receiver got with the outbox, and checks all invariants.
 * @returns failures, one line each
 */
export async function findWebhookFailures(
  system: BenchSystem,
  receivers: readonly VerifyingReceiver[],
  events: readonly CommittedEvent[],
  expectedCount: number,
): Promise<string[]> {
  const failures = receivers.flatMap(receiver =>
    receiver.failures.map(failure => `${receiver.behaviour} ${receiver.url}: ${failure}`),
  )
  if (events.length !== expectedCount)
    failures.push(`${events.length} events were committed instead of ${expectedCount}`)
  for (const { behaviour, url, arrivals } of receivers) {
    if (behaviour === 'gone') continue
    const missing = events.filter(({ event_id }) => !arrivals.has(event_id)).length
    if (missing > 0) failures.push(`${behaviour} ${url}: ${missing} events are missing`)
  }
  for (const { url, count } of await system.query<{ url: string; count: number }>(deliveryCountSql))
    if (count !== events.length) failures.push(`${url}: ${count} deliveries for ${events.length} events`)
  const client = await system.db.connect()
  try {
    for (const { name, comment, rows } of await runChecks(client))
      if (rows.length > 0) failures.push(`ops.${name}: ${comment}: ${JSON.stringify(rows[0])}`)
  } finally {
    client.release()
  }
  return failures
}

const deliveryCountSql = `
  select w.url, count(d.delivery_id)::integer as count
  from webhooks as w
  left join webhook_deliveries as d using (webhook_id)
  group by w.url
`
