import { expect } from 'chai'
import type { PgBoss } from 'pg-boss'
import type { Database } from '../../src/db/database.ts'
import { startBoss } from '../../src/jobs/boss.ts'
import { dispatchBatch } from '../../src/outbox/dispatch-batch.ts'
import { Dispatcher } from '../../src/outbox/dispatcher.ts'
import { OUTBOX_CHANNEL, wakeByNotify } from '../../src/outbox/notify-channels.ts'
import { webhookFanOut } from '../../src/webhooks/fan-out.ts'
import { quiet, recordingLog } from '../support/log.ts'
import { addMenu, type Menu, place } from '../support/pipeline.ts'
import { openTestDatabase } from '../support/system.ts'
import { until } from '../support/until.ts'

describe('the dispatcher', () => {
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

  async function pending(): Promise<number> {
    const rows = await database.query('select 1 from outbox_events where dispatched_at is null')
    return rows.length
  }

  it('dispatches waiting events at start, and new ones when it is woken or polls', async () => {
    for (let count = 0; count < 3; count++) await place(database, menu)
    const dispatcher = new Dispatcher(database, { boss, fanOut: webhookFanOut, log: quiet })
    await dispatcher.start()
    try {
      await until('the backlog is dispatched', async () => (await pending()) === 0)
      await place(database, menu)
      dispatcher.wake()
      await until('a wake-up has dispatched it', async () => (await pending()) === 0)
      await place(database, menu)
      await until('polling has dispatched it', async () => (await pending()) === 0)
      await place(database, menu)
      wakeByNotify(database, quiet)()
      await until('a NOTIFY has dispatched it', async () => (await pending()) === 0)
    } finally {
      await dispatcher.stop()
    }
  })

  it('is woken by the NOTIFY behind the statement that placed an order, and only after its commit', async () => {
    let pendingWhenWoken: Promise<number> | undefined
    const listener = await database.listen(
      OUTBOX_CHANNEL,
      () => {
        pendingWhenWoken = pending()
      },
      () => undefined,
    )
    try {
      await place(database.notifying(OUTBOX_CHANNEL), menu)
      await until('the NOTIFY has arrived', () => pendingWhenWoken)
      expect(await pendingWhenWoken).to.equal(1)
    } finally {
      await listener.close()
    }
  })

  it('commits a batch without waiting for the disk', async () => {
    await place(database, menu)
    const [session] = await database.transaction(async tx => {
      await dispatchBatch(tx, { boss, fanOut: webhookFanOut, log: quiet }, 100)
      return await tx.query<{ synchronous_commit: string }>('show synchronous_commit')
    })
    expect(session?.synchronous_commit).to.equal('off')
    const [after] = await database.query<{ synchronous_commit: string }>('show synchronous_commit')
    expect(after?.synchronous_commit).to.equal('on')
  })

  it('dispatches events with ids of the past and of the future, and released ones', async () => {
    const dispatcher = new Dispatcher(database, { boss, fanOut: webhookFanOut, log: quiet })
    await dispatcher.start()
    const insert = async (age: string, columns = '', values = '') =>
      await database.execute(
        `insert into outbox_events (event_id, restaurant_id, type, payload${columns})
        select uuidv7(interval '${age}'), restaurant_id, type, payload${values} from outbox_events limit 1`,
      )
    try {
      for (const age of ['-20 days', '-1 hour', '-15 seconds', '2 minutes', '20 days']) await insert(age)
      await insert('-1 day', ', quarantined_at, error', `, now(), 'unknown'`)
      await until('all but the quarantined event are dispatched', async () => (await pending()) === 1)
      await database.execute('update outbox_events set quarantined_at = null, error = null')
      await until('the released event is dispatched', async () => (await pending()) === 0)
    } finally {
      await dispatcher.stop()
    }
  })

  it('dispatches a backlog of many batches, oldest events first, although newer events arrive', async () => {
    await database.execute(
      `insert into outbox_events (event_id, restaurant_id, type, payload)
      select uuidv7(number * interval '-1 second'), restaurant_id, type, payload
      from (select * from outbox_events limit 1) as e
      cross join generate_series(20, 2000) as number`,
    )
    const dispatcher = new Dispatcher(database, { boss, fanOut: webhookFanOut, log: quiet })
    await dispatcher.start()
    try {
      await place(database, menu)
      dispatcher.wake()
      await until('all events are dispatched', async () => (await pending()) === 0)
    } finally {
      await dispatcher.stop()
    }
    const [order] = await database.query(
      `select bool_and(dispatched_at >= previous) as in_order from (
        select dispatched_at, lag(dispatched_at) over (order by event_id) as previous
        from (select event_id, date_trunc('milliseconds', dispatched_at) as dispatched_at from outbox_events
          where event_id between uuidv7_at(now() - interval '34 minutes') and uuidv7_at(now() - interval '30 seconds')) as e
      ) as pairs`,
    )
    expect(order).to.deep.equal({ in_order: true })
  })

  it('is woken by NOTIFY across processes, with many calls coalesced into one or two', async () => {
    let notified = 0
    const listener = await database.listen(
      'comanda_outbox',
      () => notified++,
      () => undefined,
    )
    const wake = wakeByNotify(database, quiet)
    for (let count = 0; count < 100; count++) wake()
    await until('the second notification is there', () => notified === 2)
    await database.query('select 1')
    expect(notified).to.equal(2)
    await listener.close()
  })

  it('continues after its connections are cut, and logs the failure', async () => {
    const { log, lines } = recordingLog()
    const dispatcher = new Dispatcher(database, { boss, fanOut: webhookFanOut, log })
    await dispatcher.start()
    try {
      await database.execute(`create function refuse() returns trigger language plpgsql as $$ begin
        perform pg_terminate_backend(pg_backend_pid()); return new; end $$`)
      await database.execute(
        'create trigger refuse before update on outbox_events for each row execute function refuse()',
      )
      await place(database, menu)
      dispatcher.wake()
      await until('it has failed', () => lines.some(({ msg }) => msg.startsWith('dispatching failed')))
      await database.execute('drop function refuse cascade')
      await until('it has recovered', async () => (await pending()) === 0)
    } finally {
      await dispatcher.stop()
    }
  })
})
