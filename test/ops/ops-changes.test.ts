import { networkInterfaces } from 'node:os'
import { expect } from 'chai'
import { v7 as uuidv7 } from 'uuid'
import { createApiKey } from '../../src/http/auth/api-keys.ts'
import { startBoss } from '../../src/jobs/boss.ts'
import type { Scope } from '../../src/platform/caller.ts'
import { expectProblem } from '../http/expect-problem.ts'
import { send } from '../http/send.ts'
import { operations, pathOf } from '../http/successful-requests.ts'
import type { Reply } from '../support/api-client.ts'
import { quiet } from '../support/log.ts'
import { eventsOf } from '../support/pipeline.ts'
import { asRole } from '../support/role-logins.ts'
import { startRoleProcess } from '../support/start-role.ts'
import { openTestDatabase, startSystem, type TestSystem } from '../support/system.ts'
import { until } from '../support/until.ts'
import { Receiver } from '../webhooks/receivers.ts'

type Row = Record<string, unknown>

const ops = '/api/v1/ops'
const change = { reason: 'the lock is gone', actor: 'ada' }
/** Every operation that needs the scope `ops:write`. */
const changes = operations.filter(({ method, path }) => method === 'POST' && path.startsWith('/api/v1/ops/'))
const nothing = {
  restaurant_id: uuidv7(),
  menu_item_id: uuidv7(),
  order_id: uuidv7(),
  webhook_id: uuidv7(),
  delivery_id: uuidv7(),
  action_id: uuidv7(),
}

/** Returns the latest record of the audit. */
async function lastAudit({ database }: TestSystem): Promise<Row | undefined> {
  const [row] = await database.query<Row>(
    'select actor, action, reason, details from ops.audit order by at desc limit 1',
  )
  return row
}

describe('changes by operators over HTTP', () => {
  it('are all among those that these tests try', () => {
    expect(changes).to.have.length(10)
  })
  let system: TestSystem
  let receiver: Receiver
  let webhook: string

  before(async () => {
    system = await startSystem(['api', 'dispatcher', 'worker', 'operations'], undefined, {
      WEBHOOK_ALLOW_PRIVATE: true,
    })
    receiver = await Receiver.start()
    const { body } = await system.api.call('POST', '/api/v1/webhooks', { url: receiver.url })
    webhook = `${ops}/webhooks/${String(body['webhook_id'])}`
  })
  after(async () => {
    await system.stop()
    await receiver.stop()
  })

  async function post(path: string, body: object = change, status = 200): Promise<Row> {
    const reply = await system.api.call('POST', path, body)
    expect(reply.status, JSON.stringify(reply.body)).to.equal(status)
    return reply.body
  }

  async function tested(): Promise<string> {
    const { delivery_id } = await post(`${webhook}/test`, change, 202)
    return String(delivery_id)
  }

  const arrived = (deliveryId: string) =>
    until('the delivery arrives', () => receiver.received.some(({ id }) => id === deliveryId))

  it('pause and resume a queue once, and record who did it and why', async () => {
    const queue = `${ops}/queues/order.prepare`
    const paused = { queue: 'order.prepare', paused: true, changed: true }
    expect(await post(`${queue}/pause`)).to.deep.equal(paused)
    expect(await post(`${queue}/pause`)).to.deep.equal({ ...paused, changed: false })
    expect(await lastAudit(system)).to.deep.equal({
      actor: 'ada',
      action: 'pause',
      reason: change.reason,
      details: { queue: 'order.prepare' },
    })
    expect(await post(`${queue}/resume`)).to.deep.equal({ ...paused, paused: false })
    expect(await lastAudit(system)).to.include({ action: 'resume' })
    const unknown = await system.api.call('POST', `${ops}/queues/order.bake/pause`, change)
    expect(unknown.body).to.include({ code: 'queue-not-found' })
  })

  it('retry a job that waits for its next attempt, and refuse one that is done', async () => {
    const { restaurant_id } = await system.api.addRestaurant()
    const { menu_item_id } = await system.api.addItem(restaurant_id, 10)
    const { order_id } = await system.api.place(restaurant_id, [menu_item_id, 1])
    await system.api.untilStatus(order_id, 'PREPARING')
    const [event] = await eventsOf(system.database, order_id, 'order.placed.v1')
    const job_id = uuidv7()
    const boss = await startBoss(system.database, 'producer', 'test', quiet)
    const job = { id: job_id, singletonKey: event?.event_id ?? '', data: event ?? {}, startAfter: 3_600 }
    await boss.insert('inventory.deduct', [job])
    await boss.stop({ graceful: false })
    const retry = `${ops}/jobs/${job_id}/retry`
    expect(await post(retry)).to.deep.equal({
      queue: 'inventory.deduct',
      job_id,
      redriven_job_id: null,
    })
    expect(await lastAudit(system)).to.deep.include({ action: 'retry', actor: 'ada' })
    const done = await until('the job is completed', async () => {
      const reply = await system.api.call('POST', retry, change)
      return (
        reply.status === 409 && reply.body['detail'] === 'Nothing was changed: the job is completed' && reply
      )
    })
    expect(done.body).to.include({ code: 'change-refused' })
  })

  it('pause a webhook, whose deliveries then wait, and resume it', async () => {
    await arrived(await tested())
    expect(await post(`${webhook}/pause`)).to.include({ paused: true, changed: true })
    expect(await lastAudit(system)).to.include({ action: 'pause webhook' })
    const refused = await system.api.call('POST', `${webhook}/test`, change)
    expect(refused.body).to.include({ code: 'change-refused' })
    const { body: overview } = await system.api.call<{ webhooks: Row; problems: Row[] }>(
      'GET',
      `${ops}/overview`,
    )
    expect(overview.webhooks).to.include({ paused: 1 })
    expect(overview.problems).to.deep.include({
      problem: 'paused-webhooks',
      text: '1 webhook is paused',
      see: 'select * from ops.webhooks',
      runbook: 'a-webhook-fails-or-is-disabled',
    })

    // Requested with the scope of owners, which does not ask for a pause.
    const owners = webhook.replace('/ops', '')
    const waiting = await post(`${owners}/test`, undefined, 202)
    const other = await system.api.call('POST', '/api/v1/webhooks', { url: receiver.url })
    const sent = await post(`/api/v1/webhooks/${String(other.body['webhook_id'])}/test`, undefined, 202)
    await arrived(String(sent['delivery_id']))
    const [delivery] = await system.database.query<Row>(
      'select state, tries from webhook_deliveries where delivery_id = $1',
      [waiting['delivery_id']],
    )
    expect(delivery).to.deep.equal({ state: 'PENDING', tries: 0 })

    expect(await post(`${webhook}/resume`)).to.include({ paused: false, changed: true })
    await arrived(String(waiting['delivery_id']))
    expect(await post(`${webhook}/resume`)).to.include({ changed: false })
  })

  it('show the owner of a webhook that it is paused, under another entity tag', async () => {
    const added = await system.api.call('POST', '/api/v1/webhooks', { url: receiver.url })
    const path = `/api/v1/webhooks/${String(added.body['webhook_id'])}`
    const shown = async () => {
      const { headers, body } = await system.api.call('GET', path)
      return { tag: headers.get('etag'), paused_at: body['paused_at'] }
    }
    const before = await shown()
    expect(before.paused_at).to.equal(null)
    await post(path.replace('webhooks', 'ops/webhooks') + '/pause')
    const paused = await shown()
    expect(paused.paused_at).to.match(/^\d{4}-.*Z$/)
    expect(paused.tag).to.not.equal(before.tag)
    await post(path.replace('webhooks', 'ops/webhooks') + '/resume')
    expect(await shown()).to.deep.equal(before)
  })

  it('send a delivery again with the same id', async () => {
    const id = await tested()
    await arrived(id)
    await until('it is delivered', async () => {
      const rows = await system.database.query(
        `select from webhook_deliveries where delivery_id = $1 and state = 'DELIVERED'`,
        [id],
      )
      return rows.length === 1
    })
    expect(await post(`${ops}/deliveries/${id}/redeliver`, change, 202)).to.include({ delivery_id: id })
    expect(await lastAudit(system)).to.deep.include({ action: 'redeliver' })
    await until('it arrives again', () => receiver.received.filter(each => each.id === id).length === 2)
  })

  it('have their effect once per idempotency key', async () => {
    const key = { 'idempotency-key': uuidv7() }
    const reply = () => system.api.call('POST', `${webhook}/test`, change, key)
    const [first, second] = [await reply(), await reply()]
    expect(second.body).to.deep.equal(first.body)
    expect(second.headers.get('idempotency-replayed')).to.equal('true')
  })

  it('need the name of somebody without authentication, and a reason', async () => {
    const path = `${ops}/queues/order.prepare/pause`
    const { actor } = change
    for (const [body, pointer] of [
      [{ reason: 'x' }, '/actor'],
      [{ actor }, '/reason'],
      [{ actor, reason: '  ' }, '/reason'],
    ] as const) {
      const reply = await system.api.call<{ errors: { pointer: string }[] }>('POST', path, body)
      expect(reply.status).to.equal(422)
      expect(reply.body.errors.map(each => each.pointer)).to.deep.equal([pointer])
    }
    expect(await system.database.query(`select from ops.queues where paused_at is not null`)).to.deep.equal(
      [],
    )
  })

  it('are refused without authentication to clients that come through a proxy', async () => {
    for (const headers of [
      { 'x-forwarded-for': '127.0.0.1' },
      { forwarded: 'for=127.0.0.1' },
      { 'x-real-ip': '127.0.0.1' },
      { via: '1.1 proxy' },
    ] as Record<string, string>[])
      for (const operation of changes) {
        const reply = await send(system.api.baseUrl, {
          method: 'POST',
          path: pathOf(operation, nothing),
          headers: { 'content-type': 'application/json', ...headers },
          body: JSON.stringify(operation.body?.(nothing)),
        })
        expectProblem(reply, { code: 'forbidden' })
        expect(JSON.parse(reply.text)).to.include({ required_scope: 'ops:write' })
      }
    const { body } = await system.api.call('GET', `${ops}/overview`, undefined, { via: '1.1 proxy' })
    expect(body).to.include({ can_change: false })
    expect(body['cannot_change_because']).to.contain('AUTH_MODE is none')
    expect((await system.api.call('GET', `${ops}/overview`)).body).to.include({
      can_change: true,
      cannot_change_because: null,
    })
  })
})

describe('changes by operators of an API that other machines reach', () => {
  const address = Object.values(networkInterfaces())
    .flatMap(each => each ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4')?.address

  for (const [name, config] of [
    ['that connect by another address', { HOST: '0.0.0.0', ALLOW_INSECURE: true }],
    ['when proxies are configured', { TRUSTED_PROXY_COUNT: 1 }],
  ] as const)
    it(`are refused without authentication to clients ${name}`, async function () {
      const isByAddress = 'HOST' in config
      if (isByAddress && address === undefined) this.skip()
      const system = await startSystem(['api', 'operations'], undefined, config)
      try {
        const url = new URL(system.api.baseUrl)
        if (isByAddress && address !== undefined) url.hostname = address
        const reply = await send(url.href, {
          method: 'POST',
          path: `${ops}/queues/order.prepare/pause`,
          // A client may send any host.
          headers: { 'content-type': 'application/json', host: 'localhost' },
          body: JSON.stringify(change),
        })
        expectProblem(reply, { code: 'forbidden' })
        expect(await system.database.query('select from paused_queues')).to.deep.equal([])
      } finally {
        await system.stop()
      }
    })
})

describe('changes by authenticated operators', () => {
  let system: TestSystem
  let bare: TestSystem

  before(async () => {
    const config = { AUTH_MODE: 'api-key', FAILED_LOGINS_PER_MINUTE: 0 } as const
    system = await startSystem(['api', 'operations'], undefined, config)
    bare = await startSystem(['api'], undefined, config)
  })
  after(async () => {
    await system.stop()
    await bare.stop()
  })

  async function call(
    { api, database }: TestSystem,
    scopes: Scope[],
    path: string,
    body?: object,
    restaurant_ids?: string[],
  ): Promise<Reply> {
    const { key } = await createApiKey(database, { name: 'night-shift', scopes, restaurant_ids })
    const authorization = { authorization: `Bearer ${key}` }
    return await api.call(body ? 'POST' : 'GET', path, body, authorization)
  }

  it('are recorded under the name of the key, whatever the body says', async () => {
    const reply = await call(system, ['ops:write'], `${ops}/queues/order.prepare/pause`, change)
    expect(reply.status).to.equal(200)
    expect(await lastAudit(system)).to.include({ actor: 'night-shift', reason: change.reason })
  })

  it('need the scope ops:write, and a key without a restriction to certain restaurants', async () => {
    for (const operation of changes) {
      const path = pathOf(operation, nothing)
      const body = operation.body?.(nothing) ?? {}
      const readOnly = await call(system, ['ops', 'webhooks:write'], path, body)
      expect(readOnly.status).to.equal(403)
      expect(readOnly.body).to.include({ code: 'forbidden', required_scope: 'ops:write' })
      const restricted = await call(system, ['ops:write'], path, body, [uuidv7()])
      expect(restricted.status, path).to.equal(403)
      expect(restricted.body).to.include({ code: 'forbidden' })
      const unknown = await system.api.call('POST', path, body)
      expect(unknown.status).to.equal(401)
    }
    const overview = await call(system, ['ops'], `${ops}/overview`)
    expect(overview.body).to.include({
      can_change: false,
      cannot_change_because: 'This operation requires the scope ops:write',
    })
  })

  it('are refused by an API without OPERATIONS_DATABASE_URL', async () => {
    for (const operation of changes) {
      const path = pathOf(operation, nothing)
      const reply = await call(bare, ['ops:write'], path, operation.body?.(nothing) ?? {})
      expect(reply.status, path).to.equal(403)
      expect(reply.body).to.include({ code: 'operations-unavailable' })
    }
    const overview = await call(bare, ['ops', 'ops:write'], `${ops}/overview`)
    expect(overview.body).to.include({ can_change: false })
    expect(overview.body['cannot_change_because']).to.contain('OPERATIONS_DATABASE_URL')
  })

  it('make the API refuse to start when OPERATIONS_DATABASE_URL leads to another database', async () => {
    const other = await openTestDatabase()
    try {
      const child = startRoleProcess('api', bare.url, {
        OPERATIONS_DATABASE_URL: asRole('operations', other.url),
      })
      expect(await child.ended).to.equal(1)
      expect(child.errors()).to.equal(
        'comanda: OPERATIONS_DATABASE_URL leads to another database than DATABASE_URL\n',
      )
    } finally {
      await other.close()
    }
  })
})
