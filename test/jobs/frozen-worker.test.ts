import { expect } from 'chai'
import type { Database } from '../../src/db/database.ts'
import type { Service } from '../../src/processes/service.ts'
import { type Child, killChildren } from '../support/child.ts'
import { expectInvariants } from '../support/invariants.ts'
import { quiet } from '../support/log.ts'
import { addMenu, type Menu, place, statusOf, stockOf } from '../support/pipeline.ts'
import { startDispatcher, startRoleProcess, startWorker } from '../support/start-role.ts'
import { openTestDatabase, testConfig } from '../support/system.ts'
import { until, untilSlowly } from '../support/until.ts'

describe('a worker that freezes during a batch', () => {
  let database: Database
  let url: string
  let close: () => Promise<void>
  let menu: Menu
  let frozen: Child
  let takenByFrozen: string
  const services: Service[] = []

  before(async () => {
    const test = await openTestDatabase()
    database = test.database
    url = test.url
    close = test.close
    menu = await addMenu(database, 100)
    services.push(await startDispatcher(testConfig, url, quiet))
    takenByFrozen = await place(database, menu)
    // The worker has written its effect and holds the locks of the order and of the item.
    frozen = startRoleProcess('worker', url, {
      FAILPOINTS: 'worker.effect-written=freeze',
    })
    await until('it sits in its transaction, saying nothing', async () => {
      const silent = await database.query(
        `select 1 from pg_stat_activity
        where datname = current_database() and application_name = 'comanda-worker'
          and state = 'idle in transaction' and state_change < clock_timestamp() - interval '0.5 s'`,
      )
      return silent.length > 0
    })
    services.push(await startWorker(testConfig, url, quiet))
  })
  after(async () => {
    killChildren()
    for (const service of services) await service.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    await close()
  })

  it('does not delay another order for the same item', async () => {
    const other = await place(database, menu)
    await until('it is prepared', async () => (await statusOf(database, other)) === 'PREPARING')
    expect(await statusOf(database, takenByFrozen)).to.equal('PLACED')
  })

  it('loses its job to another worker', async () => {
    await untilSlowly(
      'it is prepared too',
      async () => (await statusOf(database, takenByFrozen)) === 'PREPARING',
    )
  })

  it('neither completes nor repeats the job when it continues', async () => {
    frozen.signal('SIGCONT')
    const next = await place(database, menu)
    await until('another order is prepared', async () => (await statusOf(database, next)) === 'PREPARING')
    // The worker finishes its batch before it exits.
    frozen.signal('SIGTERM')
    expect(await frozen.ended, frozen.output() + frozen.errors()).to.equal(0)
    expect(await stockOf(database, menu)).to.deep.equal([97])
    await expectInvariants(database)
  })
})
