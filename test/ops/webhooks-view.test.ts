import { expect } from 'chai'
import type { Database } from '../../src/db/database.ts'
import { openTestDatabase } from '../support/system.ts'

describe('ops.webhooks', () => {
  let database: Database
  let close: () => Promise<void>

  before(async () => ({ database, close } = await openTestDatabase()))
  after(() => close())
  afterEach(async () => {
    for (const table of ['webhook_attempts', 'webhook_deliveries', 'webhooks', 'dead_letters'])
      await database.execute(`delete from ${table}`)
  })

  const rows = () => database.query<Record<string, unknown>>('select * from ops.webhooks')
  const addWebhooks = (count: number) =>
    database.execute(
      `insert into webhooks (webhook_id, owner, url, event_types, type_patterns)
      select uuidv7(), 'ada', 'https://receiver.example:8443/a-secret', '{*}', '{%}' from generate_series(1, $1)`,
      [count],
    )
  /**
   * Inserts deliveries of every webhook, one second apart; the oldest is as many seconds old as
   * there are.
   */
  const addDeliveries = (count: number, state: string, attempts: number) =>
    database.execute(
      `insert into webhook_deliveries (webhook_id, event_id, type, order_id, sequence, state, attempts, created_at, settled_at)
      select webhook_id, uuidv7(), 'order.placed.v1', uuidv7(n * interval '1 second'), 1, $2, $3,
        now() - ($1 - n + 1) * interval '1 second', case when $2 = 'DELIVERED' then now() end
      from webhooks, generate_series(1, $1) as n
      order by n`,
      [count, state, attempts],
    )
  /** Records an attempt at the oldest delivery in a state. */
  const answer = (state: string, status: number | null, error: string | null) =>
    database.execute(
      `insert into webhook_attempts (delivery_id, at, duration_ms, status, error)
      select delivery_id, now(), 4, $2, $3 from webhook_deliveries where state = $1 order by created_at limit 1`,
      [state, status, error],
    )

  it('shows the host, the pending deliveries and the last response of each webhook', async () => {
    await addWebhooks(1)
    await addDeliveries(2, 'DELIVERED', 1)
    await answer('DELIVERED', 204, null)
    const [well] = await rows()
    expect(well).to.include({ host: 'receiver.example:8443', owner: 'ada', status: 'ACTIVE' })
    expect(well).to.include({ pending: 0, oldest_pending_seconds: null, dead_letters: 0, last_status: 204 })
    // The delivery that is blocked by the failing one is newer and has no attempt.
    await addDeliveries(300, 'PENDING', 0)
    await answer('PENDING', null, 'no answer within 15 s')
    const [failing] = await rows()
    expect(failing).to.include({ pending: 300, last_status: null, last_error: 'no answer within 15 s' })
    expect(Number(failing?.['oldest_pending_seconds'])).to.be.within(300, 330)
  })

  it('counts the open dead letters of a webhook', async () => {
    await addWebhooks(2)
    await database.execute(
      `insert into dead_letters (dead_letter_id, queue, job_id, data, error, attempts, first_queued_at, dead_at)
      select uuidv7(), 'downstream.deliver', uuidv7(), jsonb_build_object('webhook_id', min(webhook_id::text)),
        '{"message":"broken"}', 10, now(), now()
      from webhooks, generate_series(1, 3) as n
      group by n`,
    )
    expect((await rows()).map(each => each['dead_letters'])).to.deep.equal([3, 0])
  })

  it('counts fewer deliveries per webhook when there are many webhooks, but still finds the oldest', async () => {
    await addWebhooks(1_000)
    await addDeliveries(30, 'PENDING', 0)
    const all = await rows()
    expect(all.length).to.equal(1_000)
    for (const row of all) {
      expect(row['pending']).to.equal(20)
      expect(Number(row['oldest_pending_seconds'])).to.be.within(30, 60)
    }
  })
})
