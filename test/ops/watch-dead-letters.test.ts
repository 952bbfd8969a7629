import { expect } from 'chai'
import type { Database } from '../../src/db/database.ts'
import { watchDeadLetters } from '../../src/ops/maintenance/watch-dead-letters.ts'
import { recordingLog } from '../support/log.ts'
import { openTestDatabase } from '../support/system.ts'

describe('watchDeadLetters', () => {
  let database: Database
  let close: () => Promise<void>

  before(async () => {
    ;({ database, close } = await openTestDatabase())
  })
  after(() => close())

  async function add(minutes: number): Promise<void> {
    await database.execute(
      `insert into dead_letters (dead_letter_id, queue, job_id, attempts, first_queued_at, dead_at)
      values (gen_random_uuid(), 'order.prepare', gen_random_uuid(), 13, now(), now() - make_interval(mins => $1))`,
      [minutes],
    )
  }

  it('logs nothing without dead letters older than 15 minutes', async () => {
    const { log, lines } = recordingLog()
    expect(await watchDeadLetters(database, log)).to.deep.equal({ open: 0, overdue: 0, oldest_seconds: null })
    await add(1)
    expect(await watchDeadLetters(database, log)).to.include({ open: 1, overdue: 0 })
    expect(lines).to.deep.equal([])
  })

  it('logs an error for old open dead letters until an operator decides on them', async () => {
    await add(20)
    const { log, lines } = recordingLog()
    const found = await watchDeadLetters(database, log)
    expect(found).to.include({ open: 2, overdue: 1 })
    expect(found.oldest_seconds).to.be.within(1_200, 1_260)
    expect(lines[0]?.msg).to.contain('ops.dead_letters')
    await database.execute(`update dead_letters set fate = 'DISCARDED', fate_at = now()`)
    expect(await watchDeadLetters(database, log)).to.include({ open: 0, overdue: 0 })
    expect(lines).to.have.length(1)
  })
})
