import { expect } from 'chai'
import type { Database } from '../../src/db/database.ts'
import { type EventOf, exampleOf } from '../../src/events/event.ts'
import { appendAndFanOut } from '../../src/outbox/publish.ts'
import { ANYONE } from '../../src/platform/caller.ts'
import { newId } from '../../src/platform/ids.ts'
import { webhookFanOut } from '../../src/webhooks/fan-out.ts'
import { addWebhook } from '../../src/webhooks/webhooks.ts'
import { openTestDatabase } from '../support/system.ts'
import { until } from '../support/until.ts'

describe('a webhook that is added during a fan-out', () => {
  let database: Database
  let close: () => Promise<void>

  before(async () => {
    ;({ database, close } = await openTestDatabase())
  })
  after(() => close())
  beforeEach(() => database.execute('delete from webhooks'))

  const newWebhook = () => ({ webhook_id: newId(), url: 'https://example.com/hooks', event_types: ['*'] })
  const someEvent = (): EventOf => ({ ...exampleOf('order.placed.v1'), event_id: newId() })

  async function untilLockIsAwaited(): Promise<void> {
    await until('a session waits for the lock', async () => {
      const waiting = await database.query(
        `select 1 from pg_locks where not granted and relation = 'webhook_deliveries'::regclass
          and database = (select oid from pg_database where datname = current_database())`,
      )
      return waiting.length > 0
    })
  }

  it('commits after the fan-outs that did not match it', async () => {
    const publishing = await database.beginTransaction()
    expect(await appendAndFanOut(publishing.db, webhookFanOut, [someEvent()])).to.deep.equal([])
    let isAdded = false
    const webhook = newWebhook()
    const adding = database
      .transaction(tx => addWebhook(tx, ANYONE, webhook, { allowPrivate: false }))
      .then(() => (isAdded = true))
    await untilLockIsAwaited()
    expect(isAdded).to.equal(false)
    await publishing.commit()
    await adding
    const next = someEvent()
    const matched = await database.transaction(tx => appendAndFanOut(tx, webhookFanOut, [next]))
    expect(matched.map(({ target_id, event_id }) => [target_id, event_id])).to.deep.equal([
      [webhook.webhook_id, next.event_id],
    ])
  })

  it('gets an event whose fan-out started before and committed after it', async () => {
    const adding = await database.beginTransaction()
    const webhook = newWebhook()
    await addWebhook(adding.db, ANYONE, webhook, { allowPrivate: false })
    const event = someEvent()
    const publishing = database.transaction(tx => appendAndFanOut(tx, webhookFanOut, [event]))
    await untilLockIsAwaited()
    await adding.commit()
    expect((await publishing).map(({ target_id, event_id }) => [target_id, event_id])).to.deep.equal([
      [webhook.webhook_id, event.event_id],
    ])
  })
})
