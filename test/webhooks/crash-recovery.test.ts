import { expect } from 'chai'
import { type Child, killChildren } from '../support/child.ts'
import { expectInvariants } from '../support/invariants.ts'
import { startRoleProcess } from '../support/start-role.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { untilSlowly } from '../support/until.ts'
import { Receiver } from './receivers.ts'

const ORDER_COUNT = 40
const EXPECTED = ['order.placed.v1', 'inventory.deducted.success.v1', 'order.status.preparing.v1']

describe('webhooks after a crash of worker and dispatcher', function () {
  this.timeout(240_000)

  let system: TestSystem
  const receivers: Receiver[] = []
  const children: Child[] = []

  before(async () => {
    system = await startSystem(['api'], undefined, { WEBHOOK_ALLOW_PRIVATE: true })
  })
  after(async () => {
    killChildren()
    for (const child of children) await child.ended
    await system.stop()
    for (const receiver of receivers) await receiver.stop()
  })

  async function subscribe(answer: Receiver['answer']): Promise<Receiver> {
    const receiver = await Receiver.start()
    receivers.push(receiver)
    receiver.answer = answer
    const reply = await system.api.call('POST', '/api/v1/webhooks', { url: receiver.url })
    expect(reply.status).to.equal(201)
    return receiver
  }

  async function startBoth(): Promise<Child[]> {
    const env = {
      LOG_LEVEL: 'warn',
      WEBHOOK_ALLOW_PRIVATE: 'true',
      WEBHOOK_RETRY_SECONDS: '1',
    }
    const both = (['dispatcher', 'worker'] as const).map(role => startRoleProcess(role, system.url, env))
    children.push(...both)
    return both
  }

  /** Returns the event types of an order in the order of their first arrival. */
  const distinctTypes = (receiver: Receiver, order: string) => [...new Set(receiver.typesOf(order))]

  it('delivers every event to every endpoint that accepts it, in order for each order', async () => {
    let failures = 60
    const healthy = [await subscribe(() => 204), await subscribe(() => 204), await subscribe(() => 204)]
    const flaky = await subscribe(() => (failures-- > 0 ? 503 : 204))
    await subscribe(() => 410)
    await subscribe(() => undefined)
    const killed = await startBoth()
    const { restaurant_id } = await system.api.addRestaurant()
    const { menu_item_id } = await system.api.addItem(restaurant_id, 1_000)
    const place = () => system.api.place(restaurant_id, [menu_item_id, 1])
    const orders = await Promise.all(Array.from({ length: ORDER_COUNT / 2 }, place))
    await untilSlowly('some events have arrived', () => healthy.every(({ received }) => received.length > 5))
    for (const child of killed) child.signal('SIGKILL')
    orders.push(...(await Promise.all(Array.from({ length: ORDER_COUNT / 2 }, place))))
    await startBoth()
    const ids = orders.map(({ order_id }) => order_id)
    await untilSlowly('all events have arrived', () =>
      [...healthy, flaky].every(each => ids.every(id => distinctTypes(each, id).length === EXPECTED.length)),
    )
    for (const each of [...healthy, flaky])
      for (const id of ids) expect(distinctTypes(each, id)).to.deep.equal(EXPECTED)
    await expectInvariants(system.database)
  })
})
