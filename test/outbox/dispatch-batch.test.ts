import { expect } from 'chai'
import type { PgBoss } from 'pg-boss'
import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../../src/db/database.ts'
import { type EventOf, InvalidEvent } from '../../src/events/event.ts'
import { startBoss } from '../../src/jobs/boss.ts'
import { appendEvents } from '../../src/outbox/append-event.ts'
import { dispatchBatch } from '../../src/outbox/dispatch-batch.ts'
import { publishEvents } from '../../src/outbox/publish.ts'
import { webhookFanOut } from '../../src/webhooks/fan-out.ts'
import { quiet } from '../support/log.ts'
import { addMenu, cancel, eventsOf, type Menu, place } from '../support/pipeline.ts'
import { openTestDatabase } from '../support/system.ts'

describe('dispatchBatch', () => {
  let database: Database
  let boss: PgBoss
  let menu: Menu
  let close: () => Promise<void>

  before(async () => {
    const test = await openTestDatabase()
    database = test.database
    close = test.close
    boss = await startBoss(database, 'producer', 'test', quiet)
    menu = await addMenu(database, 1_000)
  })
  after(async () => {
    await boss.stop()
    await close()
  })
  beforeEach(() => database.execute('delete from outbox_events'))

  const dispatch = (limit = 500) =>
    database.transaction(tx => dispatchBatch(tx, { boss, fanOut: webhookFanOut, log: quiet }, limit))

  async function jobsOf(orderId: string): Promise<{ id: string; name: string }[]> {
    return await database.query(
      `select id, name from pgboss.job where data ->> 'order_id' = $1 order by name, created_on`,
      [orderId],
    )
  }

  it('inserts one job per event and route, with the id of the event', async () => {
    const orderId = await place(database, menu)
    await cancel(database, orderId)
    expect(await dispatch()).to.deep.equal({ claimed: 2, quarantined: 0 })
    const [placed] = await eventsOf(database, orderId, 'order.placed.v1')
    const [cancelled] = await eventsOf(database, orderId, 'order.cancelled.v1')
    expect(await jobsOf(orderId)).to.deep.equal([
      { id: placed?.event_id, name: 'inventory.deduct' },
      { id: cancelled?.event_id, name: 'inventory.restore' },
    ])
    expect(await dispatch()).to.deep.equal({ claimed: 0, quarantined: 0 })
  })

  it('claims at most its limit, oldest events first', async () => {
    const first = await place(database, menu)
    const second = await place(database, menu)
    expect(await dispatch(1)).to.include({ claimed: 1 })
    expect(await jobsOf(first)).to.have.length(1)
    expect(await jobsOf(second)).to.have.length(0)
  })

  it('leaves an event undispatched when its transaction rolls back', async () => {
    const orderId = await place(database, menu)
    await database
      .transaction(async tx => {
        await dispatchBatch(tx, { boss, fanOut: webhookFanOut, log: quiet }, 500)
        throw new Error('crash before the commit')
      })
      .catch(() => undefined)
    expect(await jobsOf(orderId)).to.deep.equal([])
    expect(await dispatch()).to.include({ claimed: 1 })
    expect(await jobsOf(orderId)).to.have.length(1)
  })

  it('inserts no second job when an event is dispatched again', async () => {
    const orderId = await place(database, menu)
    await dispatch()
    await database.execute('update outbox_events set dispatched_at = null')
    await dispatch()
    expect(await jobsOf(orderId)).to.have.length(1)
  })

  it('inserts no second job when an event is dispatched again after its job is completed', async () => {
    const orderId = await place(database, menu)
    await dispatch()
    await database.execute(`update pgboss.job set state = 'completed' where name = 'inventory.deduct'`)
    await database.execute('update outbox_events set dispatched_at = null')
    expect(await dispatch()).to.deep.equal({ claimed: 1, quarantined: 1 })
    expect(await jobsOf(orderId)).to.have.length(1)
  })

  it('skips events that another dispatcher has claimed', async () => {
    const orders = [await place(database, menu), await place(database, menu)]
    await database.transaction(async mine => {
      expect(await dispatchBatch(mine, { boss, fanOut: webhookFanOut, log: quiet }, 1)).to.include({
        claimed: 1,
      })
      expect(await dispatch()).to.include({ claimed: 1 })
    })
    for (const order of orders) expect(await jobsOf(order)).to.have.length(1)
  })

  it('quarantines events that cannot be routed or parsed, with the error, and dispatches the others', async () => {
    const before = await place(database, menu)
    await insertRaw('order.teleported.v1', {})
    await insertRaw('order.placed.v1', { order_id: 'not a uuid' })
    const after = await place(database, menu)
    expect(await dispatch()).to.deep.equal({ claimed: 4, quarantined: 2 })
    expect(await jobsOf(before)).to.have.length(1)
    expect(await jobsOf(after)).to.have.length(1)
    const errors = await database.query<{ error: string }>(
      'select error from outbox_events where quarantined_at is not null order by event_id',
    )
    expect(errors[0]?.error).to.contain('unknown event type order.teleported.v1')
    expect(errors[1]?.error).to.contain('order.placed.v1').and.contain('order_id')
    expect(await dispatch()).to.deep.equal({ claimed: 0, quarantined: 0 })
  })

  it('quarantines an event whose job cannot be inserted and dispatches its neighbours', async () => {
    const neighbour = await place(database, menu)
    const poison = await place(database, menu)
    await database.execute(`create function refuse() returns trigger language plpgsql as
      $$ begin if new.data ->> 'order_id' = '${poison}' then raise 'refused'; end if; return new; end $$`)
    await database.execute(
      'create trigger refuse before insert on pgboss.job for each row execute function refuse()',
    )
    try {
      expect(await dispatch()).to.deep.equal({ claimed: 2, quarantined: 1 })
    } finally {
      await database.execute('drop function refuse cascade')
    }
    expect(await jobsOf(neighbour)).to.have.length(1)
    expect(await jobsOf(poison)).to.have.length(0)
  })

  it('appends no event whose payload does not match the catalogue', async () => {
    const [event] = await eventsOf(database, await place(database, menu), 'order.placed.v1')
    const wrong = { ...event, event_id: uuidv7(), payload: { nothing: 'right' } } as unknown as EventOf
    const failure = await database
      .transaction(async tx => appendEvents(tx, [wrong]))
      .catch((error: unknown) => error)
    expect(failure).to.be.instanceOf(InvalidEvent)
  })

  it('leaves nothing to dispatch when a worker publishes an event with its job', async () => {
    const orderId = await place(database, menu)
    const [event] = await eventsOf(database, orderId, 'order.placed.v1')
    await database.execute('delete from outbox_events')
    await database.transaction(
      async tx => await publishEvents(tx, { boss, fanOut: webhookFanOut, log: quiet }, event ? [event] : []),
    )
    expect(await jobsOf(orderId)).to.have.length(1)
    expect(await dispatch()).to.include({ claimed: 0 })
  })

  async function insertRaw(type: string, payload: object): Promise<void> {
    await database.execute(
      'insert into outbox_events (event_id, restaurant_id, type, payload) values ($1, $2, $3, $4)',
      [uuidv7(), menu.restaurant_id, type, payload],
    )
  }
})
