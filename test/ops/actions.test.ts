import { expect } from 'chai'
import { v7 as uuidv7 } from 'uuid'
import { startBoss } from '../../src/jobs/boss.ts'
import { startAction } from '../../src/ops/actions/actions.ts'
import { workAction } from '../../src/ops/actions/work-action.ts'
import type { ActionReply } from '../../src/ops/api/action-contract.ts'
import { ApiClient } from '../support/api-client.ts'
import type { Child } from '../support/child.ts'
import { quiet } from '../support/log.ts'
import { asRole } from '../support/role-logins.ts'
import { startApi, startRoleProcess } from '../support/start-role.ts'
import { startSystem, type TestSystem, testConfig } from '../support/system.ts'
import { until, untilSlowly } from '../support/until.ts'
import { addDeadLetters, quarantine } from './incidents.ts'

type Row = Record<string, unknown>

const actionsPath = '/api/v1/ops/actions'
const operator = { reason: 'the lock is gone', actor: 'ada' }

async function urlOf(child: Child): Promise<string> {
  const found = await untilSlowly('the API listens', () => /"url":"(http:[^"]+)"/.exec(child.output()))
  return found[1] ?? expect.fail('no URL')
}

describe('actions of operators on everything that matches', () => {
  let system: TestSystem

  beforeEach(async () => {
    system = await startSystem(['api', 'operations'])
  })
  afterEach(() => system.stop())

  async function start(kind: string, filter: object, more: object = {}): Promise<ActionReply> {
    const reply = await system.api.call<ActionReply>('POST', actionsPath, {
      kind,
      filter,
      ...operator,
      ...more,
    })
    expect(reply.status, JSON.stringify(reply.body)).to.equal(202)
    expect(reply.headers.get('location')).to.equal(`${actionsPath}/${reply.body.action_id}`)
    return reply.body
  }

  async function read(id: string): Promise<ActionReply> {
    return (await system.api.call<ActionReply>('GET', `${actionsPath}/${id}`)).body
  }

  const ended = ({ action_id }: ActionReply) =>
    until('the action has ended', async () => {
      const action = await read(action_id)
      return action.status !== 'RUNNING' && action
    })

  const count = async (sql: string, values: unknown[] = []) =>
    (
      await system.database.query<{ count: number }>(`select count(*)::integer as count from ${sql}`, values)
    )[0]?.count

  /** Returns the ids of the audits of an action, each transaction as one list. */
  async function audited(actionId: string, action: string, what: string): Promise<string[][]> {
    const rows = await system.database.query<{ ids: string[]; actor: string; reason: string }>(
      `select actor, reason, array(select jsonb_path_query(details, $3::jsonpath) #>> '{}') as ids
      from ops.audit where action = $2 and details ->> 'action_id' = $1 order by at`,
      [actionId, action, what],
    )
    for (const row of rows) expect(row).to.include(operator)
    return rows.map(({ ids }) => ids)
  }

  const letterIds = '$.dead_letters[*].dead_letter_id'

  it('handle each dead letter once, although the API process is killed in the middle', async () => {
    await system.stop()
    system = await startSystem([])
    const { database, url } = system
    const matching = await addDeadLetters(database, 2_600, { error: 'lock timeout' })
    const others = await addDeadLetters(database, 300, { error: 'no such item' })
    const config = { OPERATIONS_DATABASE_URL: asRole('operations', url) }
    const child = startRoleProcess('api', url, config)
    const api = new ApiClient(await urlOf(child))
    const action = { kind: 'dead-letters.redrive', filter: { error: 'LOCK' } }
    const preview = await api.call('POST', '/api/v1/ops/action-previews', action)
    expect(preview.body).to.include({ count: 2_600 })

    // The third transaction waits for a lock while the process is killed.
    const gate = await database.beginTransaction()
    await gate.db.query('select from dead_letters where dead_letter_id = $1 for update', [matching[1_200]])
    const expected = { ...action, ...operator, expected_count: 2_600 }
    const started = await api.call<ActionReply>('POST', actionsPath, expected)
    expect(started.body).to.include({ status: 'RUNNING', matched_count: 2_600, created_by: 'ada' })
    const { action_id } = started.body
    const progress = async () =>
      (await api.call<ActionReply>('GET', `${actionsPath}/${action_id}`)).body.done_count
    await until('the third transaction waits', async () => (await progress()) === 1_000)
    const late = await addDeadLetters(database, 100, { error: 'lock timeout' })
    child.signal('SIGKILL')
    await child.ended
    await gate.rollback()
    expect(await count(`dead_letters where fate = 'REDRIVEN'`)).to.equal(1_000)

    const other = await startApi({ ...testConfig, ...config }, url, quiet)
    try {
      system.api = new ApiClient(other.url)
      expect(await ended(started.body)).to.include({
        status: 'DONE',
        done_count: 2_600,
        failed_count: 0,
        skipped_count: 0,
        result: '2600 of 2600 dead letters redriven',
      })
    } finally {
      await other.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    }
    const transactions = await audited(action_id, 'redrive', letterIds)
    expect(transactions.map(ids => ids.length)).to.deep.equal([500, 500, 500, 500, 500, 100])
    expect(transactions.flat().toSorted()).to.deep.equal(matching.toSorted())
    expect(await count('pgboss.job where name = $1', ['inventory.deduct'])).to.equal(2_600)
    const open = await database.query<{ dead_letter_id: string }>(
      `select dead_letter_id from dead_letters where fate = 'OPEN' order by dead_letter_id`,
    )
    expect(open.map(row => row.dead_letter_id)).to.deep.equal([...others, ...late].toSorted())
    expect(await count('ops_action_targets')).to.equal(0)
  })

  it('are refused when another number matches than the operator has seen', async () => {
    await addDeadLetters(system.database, 2, {})
    const body = { kind: 'dead-letters.discard', filter: {}, ...operator, expected_count: 1 }
    const reply = await system.api.call('POST', actionsPath, body)
    expect(reply.status).to.equal(409)
    expect(reply.body).to.include({ code: 'unexpected-count', matched_count: 2 })
    expect(await count('ops_actions')).to.equal(0)
    expect(await count(`dead_letters where fate = 'OPEN'`)).to.equal(2)
  })

  it('count what could not be changed by reason, and what others had changed before', async () => {
    await addDeadLetters(system.database, 3, { event: false })
    const [taken = ''] = await addDeadLetters(system.database, 1, {})
    await addDeadLetters(system.database, 2, {})
    const gate = await system.database.beginTransaction()
    await gate.db.query('select from dead_letters where dead_letter_id = $1 for update', [taken])
    const action = await start('dead-letters.redrive', {})
    await gate.db.query(
      `update dead_letters set fate = 'DISCARDED', fate_at = now() where dead_letter_id = $1`,
      [taken],
    )
    await gate.commit()
    expect(await ended(action)).to.deep.include({
      status: 'DONE',
      matched_count: 6,
      done_count: 2,
      failed_count: 3,
      skipped_count: 1,
      failures: { 'the job has no event': 3 },
      result:
        '2 of 6 dead letters redriven, 1 had been changed by others before, 3 refused (3: the job has no event)',
    })
  })

  it('stop with the error when none of the objects can be changed', async () => {
    await addDeadLetters(system.database, 3, {})
    await system.database.execute(
      `create function refuse() returns trigger language plpgsql as $$ begin raise 'the queue is closed'; end $$`,
    )
    await system.database.execute(
      'create trigger refuse before update on dead_letters for each row execute function refuse()',
    )
    expect(await ended(await start('dead-letters.redrive', {}))).to.include({
      status: 'FAILED',
      done_count: 0,
      result: 'Stopped after 0 objects: the queue is closed',
    })
    expect(await count('pgboss.job where name = $1', ['inventory.deduct'])).to.equal(0)
  })

  it('change the others when one of the objects fails', async () => {
    const [bad = ''] = await addDeadLetters(system.database, 3, {})
    await system.database.execute(
      `create function refuse() returns trigger language plpgsql as
      $$ begin if old.dead_letter_id = '${bad}' then raise 'broken row'; end if; return new; end $$`,
    )
    await system.database.execute(
      'create trigger refuse before update on dead_letters for each row execute function refuse()',
    )
    expect(await ended(await start('dead-letters.discard', {}))).to.deep.include({
      status: 'DONE',
      done_count: 2,
      failed_count: 1,
      failures: { 'broken row': 1 },
    })
  })

  it('end when they are cancelled, and stay as they ended', async () => {
    const letters = await addDeadLetters(system.database, 700, {})
    const gate = await system.database.beginTransaction()
    await gate.db.query('select from dead_letters where dead_letter_id = $1 for update', [letters[600]])
    const { action_id } = await start('dead-letters.discard', {})
    await until('the second transaction waits', async () => (await read(action_id)).done_count === 500)
    const cancelling = system.api.call<ActionReply>('POST', `${actionsPath}/${action_id}/cancel`, operator)
    await gate.rollback()
    const { body } = await cancelling
    const isInTime = body.status === 'CANCELLED'
    expect(body).to.include(
      isInTime
        ? { result: 'Cancelled when 500 of 700 were handled' }
        : { status: 'DONE', result: '700 of 700 dead letters discarded' },
    )
    const again = await system.api.call<ActionReply>('POST', `${actionsPath}/${action_id}/cancel`, operator)
    expect(again.body).to.deep.equal(body)
    expect(await count(`dead_letters where fate = 'DISCARDED'`)).to.equal(body.done_count)
  })

  it('release quarantined events, and are listed newest first', async () => {
    const { restaurant_id } = await system.api.addRestaurant()
    const { menu_item_id } = await system.api.addItem(restaurant_id, 10)
    for (let count = 0; count < 3; count++) {
      const { order_id } = await system.api.place(restaurant_id, [menu_item_id, 1])
      await quarantine(system.database, order_id)
    }
    const filter = { error: 'UNREADABLE', type: 'order.placed.v1' }
    const { body: preview } = await system.api.call('POST', '/api/v1/ops/action-previews', {
      kind: 'quarantine.release',
      filter,
    })
    expect(preview).to.deep.equal({
      count: 3,
      by: [{ queue: null, event_type: 'order.placed.v1', error: 'unreadable', state: null, count: 3 }],
    })
    const action = await start('quarantine.release', filter)
    expect(await ended(action)).to.include({ result: '3 of 3 events released' })
    expect(await count('outbox_events where quarantined_at is not null')).to.equal(0)
    expect((await audited(action.action_id, 'release', '$.events[*]')).flat()).to.have.length(3)
    const none = await start('quarantine.release', {})
    expect(none).to.include({ status: 'DONE', matched_count: 0, result: 'Nothing matched' })
    const { body: list } = await system.api.call<ActionReply[]>('GET', actionsPath)
    expect(list.map(({ action_id }) => action_id)).to.deep.equal([none.action_id, action.action_id])
  })

  it('retry the jobs of a queue, those that used up their attempts from their dead letters', async () => {
    const boss = await startBoss(system.database, 'producer', 'test', quiet)
    const ids = Array.from({ length: 3 }, () => uuidv7())
    await boss.insert(
      'inventory.deduct',
      ids.map(id => ({ id, singletonKey: id, data: { event_id: id }, startAfter: 3_600 })),
    )
    await boss.stop({ graceful: false })
    const [waiting, failed, plain] = ids
    await system.database.execute(
      `update pgboss.job set state = 'retry', output = '{"message":"no \\"menu\\""}' where id = $1`,
      [waiting],
    )
    await system.database.execute(
      `update pgboss.job set state = 'failed', start_after = now() where id = any($1)`,
      [[failed, plain]],
    )
    await addDeadLetters(system.database, 1, { job: failed ?? '' })
    const { body: preview } = await system.api.call('POST', '/api/v1/ops/action-previews', {
      kind: 'jobs.retry',
      filter: { queue: 'inventory.deduct', error: 'NO "MENU"' },
    })
    expect(preview).to.include({ count: 1 })
    const action = await start('jobs.retry', { queue: 'inventory.deduct' })
    expect(await ended(action)).to.include({ result: '3 of 3 jobs retried' })
    expect(
      await count(`pgboss.job where name = 'inventory.deduct' and start_after <= now() and state < 'active'`),
    ).to.equal(3)
    expect(await count(`dead_letters where fate = 'REDRIVEN'`)).to.equal(1)
  })

  it('change only the object that their filter names by its id', async () => {
    const [letter = '', other = ''] = await addDeadLetters(system.database, 2, { error: 'no "menu"' })
    const filter = { id: letter, error: 'NO "MENU"' }
    expect(await ended(await start('dead-letters.discard', filter))).to.include({
      result: '1 of 1 dead letter discarded',
    })
    const open = await system.database.query(`select dead_letter_id from dead_letters where fate = 'OPEN'`)
    expect(open).to.deep.equal([{ dead_letter_id: other }])
    const { restaurant_id } = await system.api.addRestaurant()
    const { menu_item_id } = await system.api.addItem(restaurant_id, 10)
    for (let count = 0; count < 2; count++) {
      const { order_id } = await system.api.place(restaurant_id, [menu_item_id, 1])
      await quarantine(system.database, order_id)
    }
    const [event] = await system.database.query<{ event_id: string }>(
      'select event_id from outbox_events where quarantined_at is not null limit 1',
    )
    expect(await ended(await start('quarantine.release', { id: event?.event_id }))).to.include({
      done_count: 1,
    })
    expect(await count('outbox_events where quarantined_at is not null')).to.equal(1)
  })

  it('redrive a dead letter by its job, also when pg-boss has deleted the job', async () => {
    const [letter = ''] = await addDeadLetters(system.database, 1, {})
    const [row] = await system.database.query<{ job_id: string }>('select job_id from dead_letters')
    const path = `/api/v1/ops/jobs/${row?.job_id}/retry`
    const reply = await system.api.call('POST', path, operator)
    expect(reply.body).to.include({ queue: 'inventory.deduct', job_id: row?.job_id })
    expect(
      await system.database.query('select dead_letter_id, fate, redriven_job_id from dead_letters'),
    ).to.deep.equal([
      { dead_letter_id: letter, fate: 'REDRIVEN', redriven_job_id: reply.body['redriven_job_id'] },
    ])
  })

  it('send all deliveries of a webhook since a time again', async () => {
    const hook = await system.api.call('POST', '/api/v1/webhooks', { url: 'https://example.com/hooks' })
    const webhook_id = String(hook.body['webhook_id'])
    await system.database.execute(
      `insert into webhook_deliveries (webhook_id, event_id, type, state, reason, settled_at, next_attempt_at, created_at)
      select $1, uuidv7(), 'order.placed.v1', state, case when state = 'DISCARDED' then 'x' end, now(), null, now() - age * interval '1 hour'
      from unnest(array['DELIVERED', 'DEAD', 'DISCARDED', 'DELIVERED'], array[0, 1, 2, 5]) as t (state, age)`,
      [webhook_id],
    )
    const since = new Date(Date.now() - 3 * 3_600_000).toISOString()
    const [action, dead] = [
      await start('webhooks.redeliver', { webhook_id, since }, { expected_count: 3 }),
      await start('webhooks.redeliver', { webhook_id, since, state: 'DEAD' }),
    ]
    expect(await ended(action)).to.include({ result: '3 of 3 deliveries sent again' })
    await ended(dead)
    expect(await count(`webhook_deliveries where state = 'PENDING'`)).to.equal(3)
    expect((await audited(action.action_id, 'redeliver', '$.deliveries[*]')).flat()).to.have.length(3)
  })

  it('refuse a filter that does not apply to their kind', async () => {
    const webhook_id = uuidv7()
    for (const [kind, filter, pointers] of [
      ['dead-letters.redrive', { state: 'failed', webhook_id }, ['/filter/state', '/filter/webhook_id']],
      ['jobs.retry', {}, ['/filter/queue']],
      ['jobs.retry', { queue: 'order.prepare', state: 'active' }, ['/filter/state']],
      ['webhooks.redeliver', { webhook_id }, ['/filter/since']],
      ['quarantine.release', { queue: 'order.prepare' }, ['/filter/queue']],
    ] as const)
      for (const path of [actionsPath, '/api/v1/ops/action-previews']) {
        const body = { kind, filter, ...(path === actionsPath ? operator : {}) }
        const reply = await system.api.call<{ errors: { pointer: string }[] }>('POST', path, body)
        expect(reply.status, kind).to.equal(422)
        expect(reply.body.errors.map(({ pointer }) => pointer)).to.deep.equal(pointers)
      }
  })

  it('let others go first when their transaction fails, go on with fewer objects, and end at last', async () => {
    await system.stop()
    system = await startSystem([])
    const { database } = system
    const boss = await startBoss(database, 'operator', 'test', quiet)
    await addDeadLetters(database, 300, { error: 'large' })
    await addDeadLetters(database, 300, { error: 'small' })
    await addDeadLetters(database, 300, { error: 'lost' })
    await database.execute(
      `create function time_out() returns trigger language plpgsql as $$
      begin
        if (select count(*) filter (where error ->> 'message' = 'large') > 100
          or count(*) filter (where error ->> 'message' = 'lost') > 0 from changed)
        then raise 'canceling statement due to statement timeout' using errcode = '57014'; end if;
        return null;
      end $$`,
    )
    await database.execute(
      'create trigger time_out after update on dead_letters referencing new table as changed for each statement execute function time_out()',
    )
    const kind = 'dead-letters.discard'
    const [large, lost, small] = [
      await database.transaction(tx => startAction(tx, { kind, filter: { error: 'large' } }, operator)),
      await database.transaction(tx => startAction(tx, { kind, filter: { error: 'lost' } }, operator)),
      await database.transaction(tx => startAction(tx, { kind, filter: { error: 'small' } }, operator)),
    ]
    const stateOf = async (id: string) =>
      (
        await database.query<Row>(
          'select status, done_count, error, result from ops.actions where action_id = $1',
          [id],
        )
      )[0]
    const work = () => workAction({ database, boss }).catch(() => 'failed')
    expect([await work(), await work(), await work(), await work()]).to.deep.equal([
      'failed',
      'failed',
      true,
      false,
    ])
    expect(await stateOf(small)).to.include({ status: 'DONE', done_count: 300 })
    const error = 'canceling statement due to statement timeout'
    for (const id of [large, lost])
      expect(await stateOf(id)).to.deep.equal({ status: 'RUNNING', done_count: 0, error, result: null })
    for (let round = 0; round < 20; round++) {
      await database.execute(`update ops_actions set due_at = now() where status = 'RUNNING'`)
      await work()
    }
    expect(await stateOf(large)).to.include({ status: 'DONE', done_count: 300, error: null })
    expect(await stateOf(lost)).to.include({
      status: 'FAILED',
      result: `Stopped after 0 objects: ${error}`,
    })
    expect(await count('ops_action_targets')).to.equal(0)
    await boss.stop({ graceful: false })
  })

  it('are worked by one process each', async () => {
    await addDeadLetters(system.database, 4, { error: 'one' })
    const boss = await startBoss(system.database, 'operator', 'test', quiet)
    const { database } = system
    const gate = await database.beginTransaction()
    const rows = await gate.db.query<Row>('select dead_letter_id from dead_letters limit 1 for update')
    expect(rows).to.have.length(1)
    const action = await start('dead-letters.redrive', { error: 'one' })
    await until('the API works on it', async () => {
      const locked = await database.query('select from ops_actions for update skip locked')
      return locked.length === 0
    })
    expect(await workAction({ database, boss })).to.equal(false)
    await gate.rollback()
    expect(await ended(action)).to.include({ done_count: 4 })
    await boss.stop({ graceful: false })
  })
})
