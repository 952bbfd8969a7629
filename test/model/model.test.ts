import { randomInt } from 'node:crypto'
import fc from 'fast-check'
import { startBoss } from '../../src/jobs/boss.ts'
import { dispatchBatch } from '../../src/outbox/dispatch-batch.ts'
import { webhookFanOut } from '../../src/webhooks/fan-out.ts'
import { expectInvariants } from '../support/invariants.ts'
import { quiet } from '../support/log.ts'
import { addMenu } from '../support/pipeline.ts'
import { startWorker } from '../support/start-role.ts'
import { startSystem, type TestSystem, testConfig } from '../support/system.ts'
import { untilSlowly } from '../support/until.ts'
import { commands, deliverRemaining, type RealSystem } from './commands.ts'
import { OrderModel } from './order-model.ts'

/** `MODEL_SEED` repeats a run of `npm run test:model`; `MODEL_SEQUENCES` sets its length. */
const seed = Number(process.env['MODEL_SEED'] ?? randomInt(2 ** 31))
const numRuns = Number(process.env['MODEL_SEQUENCES'] ?? 1_000)
const MAX_COMMAND_COUNT = 25
/** Little stock of two items, so that orders run out of stock. */
const STOCK = [5, 8]

describe('the order model', () => {
  let system: TestSystem

  before(async () => {
    system = await startSystem(['api'])
  })
  after(() => system.stop())

  it(`agrees with the system after every step of ${numRuns} random sequences (MODEL_SEED=${seed})`, async function () {
    this.timeout(numRuns * 1_000)
    const { api, database } = system
    const property = fc.asyncProperty(
      fc.commands(commands, { maxCommands: MAX_COMMAND_COUNT }),
      async sequence => {
        const model = new OrderModel(STOCK)
        const real: RealSystem = { api, database, menu: await addMenu(database, ...STOCK), orderIds: [] }
        await fc.asyncModelRun(() => ({ model, real }), sequence)
        await deliverRemaining(model, real)
      },
    )
    await fc.assert(property, { seed, numRuns })
  })

  it('leaves all invariants intact when the queues deliver every event again', async () => {
    const { database } = system
    const boss = await startBoss(database, 'producer', 'test', quiet)
    while (
      (await database.transaction(tx => dispatchBatch(tx, { boss, fanOut: webhookFanOut, log: quiet }, 500)))
        .claimed > 0
    );
    await boss.stop({ graceful: false })
    const worker = await startWorker(testConfig, system.url, quiet)
    await untilSlowly('no job is left', async () => {
      const [left] = await database.query(
        `select 1 from pgboss.job where name in ('inventory.deduct', 'inventory.restore', 'order.prepare', 'order.reject')
        and state < 'completed' limit 1`,
      )
      return left === undefined
    })
    await worker.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    await expectInvariants(database)
  })
})
