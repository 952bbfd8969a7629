import { expect } from 'chai'
import { newId } from '../../src/platform/ids.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { spawnScript } from './spawn-script.ts'

describe('npm run redrive', () => {
  let system: TestSystem
  let orderId: string

  before(async () => {
    system = await startSystem(['api'])
    orderId = newId()
    for (const [error, event_id] of [
      ['the network is down', newId()],
      ['the network is down', '01900000-0000-7000-8000-000000000000'],
    ]) {
      await system.database.execute(
        `insert into dead_letters (dead_letter_id, queue, job_id, event_id, event_type, order_id, data, error, attempts,
          first_queued_at, dead_at)
        values (gen_random_uuid(), 'order.prepare', gen_random_uuid(), $1, 'inventory.deducted.success.v1', $2, '{}',
          jsonb_build_object('message', $3::text), 13, now(), now())`,
        [event_id, orderId, error],
      )
    }
  })
  after(() => system.stop())

  const run = (...args: string[]) => spawnScript('redrive', args, { DATABASE_URL: system.url }).ended
  const jobs = () => system.database.query(`select id from pgboss.job where name = 'order.prepare'`)

  it('lists the dead letters that match, and changes nothing without a reason', async () => {
    for (const args of [
      ['--preview', '--reason', 'just looking'],
      ['--error', 'NETWORK'],
      ['--id', orderId],
    ]) {
      const { status, stdout, stderr } = await run(...args)
      expect(status, stderr).to.equal(0)
      expect(stdout).to.contain('the network is down').and.contain('(too old)').and.contain(orderId)
    }
    expect((await run('--type', 'order.placed.v1')).stdout).to.contain('No open dead letter matches.')
    expect(await jobs()).to.deep.equal([])
  })

  it('prints one line that names a wrong option', async () => {
    const { status, stderr } = await run('--since', 'yesterday')
    expect(status).to.equal(1)
    expect(stderr).to.match(
      /^comanda: option '--since <TIME>' argument 'yesterday' is invalid. Expected a time like [^\n]*\n$/,
    )
  })

  it('redrives with a reason, refuses dead letters that are too old, and writes to ops_audit', async () => {
    const { status, stdout, stderr } = await run('--reason', 'the network is back', '--actor', 'ada')
    expect(status).to.equal(1)
    expect(stdout).to.contain('1 dead letter redriven')
    expect(stderr).to.contain('1 dead letter was refused')
    expect(await jobs()).to.have.length(1)
    const audits = await system.database.query('select actor, action, reason from ops_audit')
    expect(audits).to.deep.equal([{ actor: 'ada', action: 'redrive', reason: 'the network is back' }])
  })

  it('discards dead letters without running their jobs', async () => {
    const { status, stdout } = await run('--discard', '--reason', 'no longer needed')
    expect(status).to.equal(0)
    expect(stdout).to.contain('1 dead letter discarded')
    const fates = await system.database.query<{ fate: string }>('select fate from dead_letters order by fate')
    expect(fates.map(({ fate }) => fate)).to.deep.equal(['DISCARDED', 'REDRIVEN'])
  })
})
