import { expect } from 'chai'
import type { Database } from '../../src/db/database.ts'
import { exampleOf } from '../../src/events/event.ts'
import { newId } from '../../src/platform/ids.ts'
import {
  type Claim,
  claimDeliveries,
  extendLeases,
  type LeasedDelivery,
  returnDeliveries,
} from '../../src/webhooks/delivery/claim-deliveries.ts'
import { ATTEMPT_COUNT, decideUnsent } from '../../src/webhooks/delivery/decide-outcome.ts'
import { discardPending } from '../../src/webhooks/delivery/discard-pending.ts'
import { recordOutcomes } from '../../src/webhooks/delivery/record-outcomes.ts'
import type { Sent } from '../../src/webhooks/delivery/send.ts'
import { openTestDatabase } from '../support/system.ts'
import { until } from '../support/until.ts'

const answered: Sent = {
  at: new Date(),
  status: 204,
  duration_ms: 4,
  answer: '',
  error: null,
  error_type: null,
}
const refused: Sent = { ...answered, status: 503 }

describe('the queue of deliveries', () => {
  let database: Database
  let close: () => Promise<void>
  let webhook: string

  before(async () => {
    ;({ database, close } = await openTestDatabase())
  })
  after(() => close())
  beforeEach(async () => {
    for (const table of [
      'webhook_attempts',
      'webhook_deliveries',
      'webhooks',
      'dead_letters',
      'outbox_events',
    ])
      await database.execute(`delete from ${table}`)
    webhook = await addWebhook()
  })

  async function addWebhook(): Promise<string> {
    const [added] = await database.query<{ webhook_id: string }>(
      `insert into webhooks (webhook_id, owner, url, event_types, type_patterns)
      values ($1, 'ada', 'https://example.com/', '{*}', '{%}') returning webhook_id`,
      [newId()],
    )
    return added?.webhook_id ?? ''
  }

  const isDispatched = { dispatched: true }

  /** Adds an event with its delivery. */
  async function addDelivery(order: string, sequence: number, to = webhook, { dispatched } = isDispatched) {
    const event = newId()
    const { payload } = exampleOf('order.placed.v1')
    const restaurant = newId()
    await database.execute(
      `insert into outbox_events (event_id, restaurant_id, type, order_id, payload, dispatched_at)
      values ($1, $2, 'order.placed.v1', $3, $4, case when $5 then now() end)`,
      [event, restaurant, order, payload, dispatched],
    )
    const delivery = newId()
    if (dispatched)
      await database.execute(
        `insert into webhook_deliveries (delivery_id, webhook_id, event_id, type, restaurant_id, order_id, sequence)
        values ($1, $2, $3, 'order.placed.v1', $4, $5, $6)`,
        [delivery, to, event, restaurant, order, sequence],
      )
    return { event, delivery }
  }

  const claim = (more: Partial<Parameters<typeof claimDeliveries>[1]> = {}): Promise<Claim> =>
    claimDeliveries(database, { inFlight: new Map(), perWebhook: 10, total: 200, ...more })

  /** Leases until nothing is due any more, as a worker with endless capacity does. */
  async function claimAll(): Promise<LeasedDelivery[]> {
    const all: LeasedDelivery[] = []
    for (;;) {
      const { deliveries, hasBlocked } = await claim()
      all.push(...deliveries)
      if (deliveries.length === 0 && !hasBlocked) return all
    }
  }

  const idsOf = (deliveries: readonly LeasedDelivery[]) => deliveries.map(({ delivery_id }) => delivery_id)

  const record = (deliveries: readonly LeasedDelivery[], sent = answered, outcome: object = {}) =>
    database.transaction(tx =>
      recordOutcomes(
        tx,
        deliveries.map(delivery => ({
          delivery,
          sent,
          outcome: { state: 'DELIVERED', ...outcome } as never,
        })),
      ),
    )

  const expireLeases = () =>
    database.execute(`update webhook_deliveries set leased_until = now() - interval '1 second'`)

  const expectAccounted = async () =>
    expect(await database.query('select * from ops.check_deliveries_accounted')).to.deep.equal([])

  const rowOf = async (delivery: string) => {
    const [row] = await database.query<Record<string, unknown>>(
      'select * from webhook_deliveries where delivery_id = $1',
      [delivery],
    )
    return row
  }

  it('leases the deliveries of an order one after the other, each after the outcome of the previous', async () => {
    const order = newId()
    const third = await addDelivery(order, 3)
    const first = await addDelivery(order, 1)
    const second = await addDelivery(order, 2)
    for (const { delivery } of [first, second, third]) {
      const leased = await claimAll()
      expect(idsOf(leased)).to.deep.equal([delivery])
      expect((await claimAll()).length, 'before the outcome is recorded').to.equal(0)
      await expectAccounted()
      await record(leased)
    }
    expect(await database.query(`select from webhook_deliveries where state <> 'DELIVERED'`)).to.deep.equal(
      [],
    )
  })

  it('keeps later deliveries out of the queue while the previous one waits for its retry', async () => {
    const order = newId()
    const first = await addDelivery(order, 1)
    const second = await addDelivery(order, 2)
    const leased = await claimAll()
    await record(leased, refused, { state: 'PENDING', afterSeconds: 3_600 })
    expect(await claimAll()).to.deep.equal([])
    expect((await rowOf(second.delivery))?.['next_attempt_at']).to.equal(null)
    await database.execute('update webhook_deliveries set next_attempt_at = now() where delivery_id = $1', [
      first.delivery,
    ])
    const again = await claimAll()
    expect(again.map(({ delivery_id, tries }) => [delivery_id, tries])).to.deep.equal([[first.delivery, 2]])
    const { released } = await record(again)
    expect(released).to.equal(1)
    expect(idsOf(await claimAll())).to.deep.equal([second.delivery])
  })

  it('finds a delivery that is parked while the outcome of the previous one is being recorded', async () => {
    const order = newId()
    await addDelivery(order, 1)
    const leased = await claimAll()
    const second = await addDelivery(order, 2)
    const parking = await database.beginTransaction()
    const { deliveries, hasBlocked } = await claimDeliveries(parking.db, {
      inFlight: new Map(),
      perWebhook: 10,
      total: 200,
    })
    expect([deliveries.length, hasBlocked]).to.deep.equal([0, true])
    let isRecorded = false
    const recording = record(leased).then(recorded => {
      isRecorded = true
      return recorded
    })
    await until('the outcome waits for the lock', async () => {
      const waiting = await database.query(
        `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      )
      return waiting.length > 0
    })
    expect(isRecorded).to.equal(false)
    await parking.commit()
    expect((await recording).released).to.equal(1)
    expect(idsOf(await claimAll())).to.deep.equal([second.delivery])
  })

  it('does not park a delivery while the row of the previous one is locked by its outcome', async () => {
    const order = newId()
    await addDelivery(order, 1)
    const leased = await claimAll()
    const second = await addDelivery(order, 2)
    const recording = await database.beginTransaction()
    const outcome = { state: 'DELIVERED' } as const
    await recordOutcomes(recording.db, [{ delivery: leased[0] as LeasedDelivery, sent: answered, outcome }])
    const { deliveries, hasBlocked } = await claim()
    expect([deliveries.length, hasBlocked]).to.deep.equal([0, true])
    expect((await rowOf(second.delivery))?.['next_attempt_at']).to.not.equal(null)
    await recording.commit()
    expect(idsOf(await claimAll())).to.deep.equal([second.delivery])
  })

  it('holds a delivery back until an earlier event of its order is dispatched', async () => {
    const order = newId()
    const { event } = await addDelivery(order, 1, webhook, { dispatched: false })
    const second = await addDelivery(order, 2)
    expect((await claim()).deliveries).to.deep.equal([])
    await database.execute('update outbox_events set dispatched_at = now() where event_id = $1', [event])
    await database.execute('update webhook_deliveries set next_attempt_at = now()')
    expect(idsOf(await claimAll())).to.deep.equal([second.delivery])
  })

  it('leases no more per webhook than the worker has capacity for, the longest due first', async () => {
    const other = await addWebhook()
    const added: string[] = []
    for (let count = 0; count < 5; count++) added.push((await addDelivery(newId(), 1)).delivery)
    const { delivery } = await addDelivery(newId(), 1, other)
    const first = await claim({ perWebhook: 3, inFlight: new Map([[webhook, 1]]) })
    expect(idsOf(first.deliveries)).to.have.members([...added.slice(0, 2), delivery])
    expect(first.isFull).to.equal(true)
    const none = await claim({ perWebhook: 3, inFlight: new Map([[webhook, 3]]) })
    expect(none).to.deep.equal({ deliveries: [], isFull: false, hasBlocked: false })
    const rest = await claim()
    expect(idsOf(rest.deliveries)).to.have.members(added.slice(2))
    expect(rest.isFull).to.equal(false)
  })

  it('gives a delivery to another worker when its lease expires, and ignores the outcome of the first', async () => {
    const { delivery } = await addDelivery(newId(), 1)
    const [first] = await claimAll()
    if (!first) throw new Error('nothing was leased')
    expect(await claimAll()).to.deep.equal([])
    await expireLeases()
    const [second] = await claimAll()
    expect(second?.tries).to.equal(2)
    await record([first])
    expect(await rowOf(delivery)).to.include({ state: 'PENDING', attempts: 0 })
    expect([...(await extendLeases(database, [first]))]).to.deep.equal([])
    await returnDeliveries(database, [first])
    expect(await claimAll()).to.deep.equal([])
    if (second) await record([second])
    expect(await rowOf(delivery)).to.include({ state: 'DELIVERED', attempts: 1 })
  })

  it('keeps a lease that is extended, and counts no attempt for a delivery that is returned', async () => {
    await addDelivery(newId(), 1)
    const leased = await claimAll()
    await expireLeases()
    expect([...(await extendLeases(database, leased))]).to.deep.equal(idsOf(leased))
    expect(await claimAll()).to.deep.equal([])
    await returnDeliveries(database, leased)
    expect((await claimAll()).map(({ tries }) => tries)).to.deep.equal([1])
  })

  it('makes a delivery a dead letter when its workers crashed during every attempt', async () => {
    const order = newId()
    const { delivery } = await addDelivery(order, 1)
    const next = await addDelivery(order, 2)
    for (let tries = 0; tries < ATTEMPT_COUNT; tries++) {
      const leased = await claimAll()
      expect(leased.map(decideUnsent)).to.deep.equal([undefined])
      await expireLeases()
    }
    const [last] = await claimAll()
    const outcome = last && decideUnsent(last)
    expect(outcome).to.deep.equal({ state: 'DEAD', error: 'the worker crashed during the last attempt' })
    if (last && outcome) await database.transaction(tx => recordOutcomes(tx, [{ delivery: last, outcome }]))
    expect(await rowOf(delivery)).to.include({ state: 'DEAD', attempts: 0 })
    const letters = await database.query('select queue, job_id, order_id, attempts, fate from dead_letters')
    expect(letters).to.deep.equal([
      {
        queue: 'downstream.deliver',
        job_id: delivery,
        order_id: order,
        attempts: ATTEMPT_COUNT,
        fate: 'OPEN',
      },
    ])
    expect(idsOf(await claimAll())).to.deep.equal([next.delivery])
    await expectAccounted()
  })

  it('discards the deliveries of a disabled webhook, except one that is being sent or was requested', async () => {
    const order = newId()
    await addDelivery(order, 1)
    const sending = await claimAll()
    await addDelivery(order, 2)
    const requested = await addDelivery(newId(), 1)
    await database.execute('update webhook_deliveries set requested_at = now() where delivery_id = $1', [
      requested.delivery,
    ])
    await database.execute(
      `update webhooks set status = 'DISABLED', disabled_reason = 'GONE', disabled_at = now()`,
    )
    expect(await database.transaction(discardPending)).to.equal(false)
    const states = await database.query<{ state: string }>(
      'select state from webhook_deliveries order by delivery_id',
    )
    expect(states.map(({ state }) => state)).to.deep.equal(['PENDING', 'DISCARDED', 'PENDING'])
    await record(sending)
    expect(idsOf(await claimAll())).to.deep.equal([requested.delivery])
  })

  it('reads only due deliveries, with plans that were made while the table was empty', async () => {
    for (const table of ['webhook_deliveries', 'webhook_attempts', 'outbox_events'])
      await database.execute(`vacuum analyze ${table}`)
    const capacity = { inFlight: new Map<string, number>(), perWebhook: 10, total: 200 }
    await database.transaction(async tx => {
      await tx.execute('set local plan_cache_mode = force_generic_plan')
      expect(await claimDeliveries(tx, capacity)).to.include({ isFull: false, hasBlocked: false })
      await tx.execute(
        `insert into webhook_deliveries (webhook_id, event_id, type, order_id, sequence, next_attempt_at)
        select $1, uuidv7(), 'webhook.test', uuidv7(), 1, case when n % 2 = 0 then now() + interval '1 hour' end
        from generate_series(1, 20000) as n`,
        [webhook],
      )
      await tx.execute(
        `insert into webhook_deliveries (webhook_id, event_id, type, next_attempt_at) values ($1, uuidv7(), 'webhook.test', now())`,
        [webhook],
      )
      const before = await rowsRead()
      const { deliveries } = await claimDeliveries(tx, capacity)
      expect(deliveries).to.have.lengthOf(1)
      const outcome = { state: 'DELIVERED' } as const
      await recordOutcomes(
        tx,
        deliveries.map(each => ({ delivery: each, outcome, sent: answered })),
      )
      expect((await rowsRead()) - before).to.be.below(20)

      async function rowsRead(): Promise<number> {
        const [row] = await tx.query<{ read: number }>(
          `select (seq_tup_read + idx_tup_fetch)::integer as read from pg_stat_xact_user_tables
          where relname = 'webhook_deliveries'`,
        )
        return row?.read ?? 0
      }
    })
  })
})
