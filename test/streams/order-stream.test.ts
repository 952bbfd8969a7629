import { expect } from 'chai'
import type { Service } from '../../src/processes/service.ts'
import { quiet } from '../support/log.ts'
import {
  addMenu,
  cancel,
  deduct,
  type Menu,
  place,
  prepare,
  setReady,
  setStatus,
} from '../support/pipeline.ts'
import { startApi } from '../support/start-role.ts'
import { StreamClient, type StreamEvent } from '../support/stream-client.ts'
import { startSystem, type TestSystem, testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'

/** Returns the sequence in the id of a frame, which also has the id of the event. */
const sequenceOf = ({ id }: Pick<StreamEvent, 'id'>) => id.split('-')[0]

describe('the stream of an order', () => {
  let system: TestSystem
  let menu: Menu
  const clients: StreamClient[] = []

  before(async () => {
    // Nobody tells this process's reader of what is done by hand: polling finds it.
    system = await startSystem(['api'])
    menu = await addMenu(system.database, 1_000)
  })
  afterEach(() => {
    for (const client of clients.splice(0)) client.close()
  })
  after(() => system.stop())

  async function follow(orderId: string, lastEventId?: string): Promise<StreamClient> {
    const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId }
    const client = await StreamClient.open(`${system.api.baseUrl}/api/v1/orders/${orderId}/stream`, headers)
    clients.push(client)
    return client
  }

  const untilEnded = (client: StreamClient) => until('the server has ended the stream', () => !client.isOpen)

  /** Through every status to DELIVERED: five events. */
  async function deliver(orderId: string): Promise<void> {
    await deduct(system.database, orderId)
    await prepare(system.database, orderId)
    await setStatus(system.database, orderId, 'OUT_FOR_DELIVERY')
    await setStatus(system.database, orderId, 'DELIVERED')
  }

  it('starts with a snapshot of the order and then sends each event once as a CloudEvent', async () => {
    const orderId = await place(system.database, menu)
    const client = await follow(orderId)
    const [snapshot] = await client.untilEvents(1)
    expect(snapshot?.event).to.equal('snapshot')
    expect(sequenceOf(snapshot ?? { id: '' })).to.equal('1')
    expect(snapshot?.data).to.deep.equal(await system.api.order(orderId))
    await deliver(orderId)
    await client.untilEvents(5)
    expect(client.news.map(news => `${sequenceOf(news)} ${news.event}`)).to.deep.equal([
      '2 inventory.deducted.success.v1',
      '3 order.status.preparing.v1',
      '5 order.status.out_for_delivery.v1',
      '7 order.status.delivered.v1',
    ])
    for (const { event, id, data } of client.news)
      expect(data).to.include({
        specversion: '1.0',
        type: event,
        sequence: id.split('-')[0],
        id: id.slice(2),
        subject: `orders/${orderId}`,
        source: testConfig.PUBLIC_URL,
      })
    expect(client.headers).to.include({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
  })

  it('resumes after any event without a snapshot, a loss or a repetition', async () => {
    const orderId = await place(system.database, menu)
    await deliver(orderId)
    const all = ['1', '2', '3', '5', '7']
    for (const [index, last] of all.slice(0, -1).entries()) {
      const client = await follow(orderId, last)
      await untilEnded(client)
      expect(client.events.map(sequenceOf)).to.deep.equal(all.slice(index + 1))
    }
  })

  it('sends READY and UNREADY, resumes after them, and has ready_at in the snapshot', async () => {
    const orderId = await place(system.database, menu)
    await deduct(system.database, orderId)
    await prepare(system.database, orderId)
    const client = await follow(orderId, '3')
    for (const isReady of [true, false, true]) await setReady(system.database, orderId, isReady)
    await client.untilEvents(3)
    expect(client.events.map(each => `${sequenceOf(each)} ${each.event}`)).to.deep.equal([
      '5 order.ready.v1',
      '7 order.unready.v1',
      '9 order.ready.v1',
    ])
    const resumed = await follow(orderId, '7')
    await resumed.untilEvents(1)
    expect(resumed.events.map(sequenceOf)).to.deep.equal(['9'])
    const [snapshot] = await (await follow(orderId)).untilEvents(1)
    expect([snapshot?.event, snapshot?.id.split('-')[0]]).to.deep.equal(['snapshot', '9'])
    expect(snapshot?.data).to.deep.equal(await system.api.order(orderId))
    await cancel(system.database, orderId)
    await untilEnded(client)
    expect(client.events.at(-1)?.event).to.equal('order.cancelled.v1')
    expect(client.events.map(sequenceOf).at(-1)).to.equal('11')
  })

  it('sends new events after it has sent the past ones', async () => {
    const orderId = await place(system.database, menu)
    await deduct(system.database, orderId)
    const client = await follow(orderId, '1')
    await client.untilEvents(1)
    await prepare(system.database, orderId)
    await cancel(system.database, orderId)
    await client.untilEvents(3)
    expect(client.events.map(sequenceOf)).to.deep.equal(['2', '3', '5'])
  })

  it('ends after the snapshot of a finished order, and answers 204 to the id of its final event', async () => {
    const delivered = await place(system.database, menu)
    await deliver(delivered)
    const cancelled = await place(system.database, menu)
    await cancel(system.database, cancelled)
    for (const [orderId, finalId] of [
      [delivered, '7'],
      [cancelled, '3'],
    ] as const) {
      const client = await follow(orderId)
      await untilEnded(client)
      expect(client.events.map(each => [each.event, sequenceOf(each)])).to.deep.equal([['snapshot', finalId]])
      const path = `/api/v1/orders/${orderId}/stream`
      for (const method of ['GET', 'HEAD']) {
        const reply = await system.api.call(method, path, undefined, { 'last-event-id': finalId })
        expect([reply.status, reply.body['text']], method).to.deep.equal([204, ''])
        expect(reply.headers.get('cache-control')).to.include('no-store')
      }
      await system.database.execute('delete from outbox_events where order_id = $1', [orderId])
      expect(await follow(orderId, finalId).catch(String)).to.match(/204/)
    }
  })

  it('ends after the final event, also when it commits while a client catches up', async () => {
    const orderId = await place(system.database, menu)
    const [fresh, resumed] = [await follow(orderId), await follow(orderId, '1')]
    await deduct(system.database, orderId)
    await cancel(system.database, orderId)
    for (const client of [fresh, resumed]) await untilEnded(client)
    expect(fresh.events.map(sequenceOf)).to.deep.equal(['1', '2', '3'])
    expect(fresh.events.at(-1)?.event).to.equal('order.cancelled.v1')
    expect(resumed.events.at(-1)?.event).to.equal('order.cancelled.v1')
    const last = fresh.lastId
    expect(await follow(orderId, last).catch(String)).to.match(/204/)
  })

  it('does not end a stream of the restaurant, or of another order', async () => {
    const [one, other] = [await place(system.database, menu), await place(system.database, menu)]
    const path = `${system.api.baseUrl}/api/v1/restaurants/${menu.restaurant_id}/stream`
    const restaurant = await StreamClient.open(path)
    clients.push(restaurant)
    const neighbour = await follow(other)
    const client = await follow(one)
    await cancel(system.database, one)
    await untilEnded(client)
    await until('the restaurant has the event', () => restaurant.news.length > 0)
    expect([restaurant.isOpen, neighbour.isOpen]).to.deep.equal([true, true])
  })

  it('leaves room for others: 50 readers of finished orders occupy no stream', async () => {
    const full = await startSystem(['api'], undefined, { STREAM_COUNT: 50 })
    try {
      const ownMenu = await addMenu(full.database, 10)
      const orderId = await place(full.database, ownMenu)
      await cancel(full.database, orderId)
      const path = `${full.api.baseUrl}/api/v1/orders/${orderId}/stream`
      // Readers come again and again, as EventSource did while streams ended without a 204.
      for (let round = 0; round < 2; round++) {
        const readers = await Promise.all(Array.from({ length: 50 }, () => StreamClient.open(path)))
        for (const reader of readers) await untilEnded(reader)
        const again = readers.map(({ lastId = '' }) =>
          StreamClient.open(path, { 'last-event-id': lastId }).catch(String),
        )
        for (const refusal of await Promise.all(again)) expect(refusal).to.match(/204/)
      }
      const live = await place(full.database, ownMenu)
      const board = await StreamClient.open(`${full.api.baseUrl}/api/v1/orders/${live}/stream`)
      expect((await board.untilEvents(1))[0]?.event).to.equal('snapshot')
      board.close()
    } finally {
      await full.stop()
    }
  })

  it('starts with a snapshot again when the last event does not exist', async () => {
    const orderId = await place(system.database, menu)
    await deliver(orderId)
    const ofFuture = await follow(orderId, '9')
    expect((await ofFuture.untilEvents(1)).map(sequenceOf)).to.deep.equal(['7'])
    expect(ofFuture.news).to.deep.equal([])
    await system.database.execute('delete from outbox_events where order_id = $1', [orderId])
    const ofPruned = await follow(orderId, '3')
    expect((await ofPruned.untilEvents(1))[0]).to.include({ event: 'snapshot', id: '7' })
  })

  it('starts with a snapshot again when another event has the sequence of the last event', async () => {
    const orderId = await place(system.database, menu)
    const client = await follow(orderId)
    await deduct(system.database, orderId)
    await client.untilEvents(2)
    // The failover loses the event that the client has, and another one gets its sequence.
    await system.database.execute(
      `update outbox_events set event_id = uuidv7() where order_id = $1 and type = 'inventory.deducted.success.v1'`,
      [orderId],
    )
    const resumed = await follow(orderId, client.lastId)
    expect((await resumed.untilEvents(1)).map(({ event }) => event)).to.deep.equal(['snapshot'])
    await cancel(system.database, orderId)
    await untilEnded(resumed)
    const final = resumed.lastId ?? ''
    expect(await follow(orderId, final).catch(String)).to.match(/204/)
    await system.database.execute(
      `update outbox_events set event_id = uuidv7() where order_id = $1 and type = 'order.cancelled.v1'`,
      [orderId],
    )
    const again = await follow(orderId, final)
    await untilEnded(again)
    expect(again.events.map(({ event }) => event)).to.deep.equal(['snapshot'])
  })

  it('answers an invalid resume point and an unknown order with a problem document', async () => {
    const orderId = await place(system.database, menu)
    for (const bad of ['0', 'x', '-1', '1.5', '1-x', '99999999999', ' '.repeat(3) + 'a']) {
      const refusal = await follow(orderId, bad).catch(String)
      expect(refusal).to.match(/400 .*resume-point-invalid/)
    }
    const path = '/api/v1/orders/00000000-0000-7000-8000-000000000000/stream'
    expect(await StreamClient.open(system.api.baseUrl + path).catch(String)).to.match(/404 .*order-not-found/)
  })

  it('answers HEAD without opening a stream', async () => {
    const orderId = await place(system.database, menu)
    const reply = await system.api.call('HEAD', `/api/v1/orders/${orderId}/stream`)
    expect(reply.status).to.equal(200)
    expect(reply.headers.get('content-type')).to.match(/^text\/event-stream/)
  })

  it('receives events that another process commits at once by NOTIFY', async () => {
    const others: Service[] = []
    const working = await startSystem()
    try {
      const second = await startApi(testConfig, working.url, quiet)
      others.push(second)
      const { restaurant_id } = await working.api.addRestaurant()
      const { menu_item_id } = await working.api.addItem(restaurant_id, 10)
      const { order_id } = await working.api.place(restaurant_id, [menu_item_id, 1])
      const path = `/api/v1/orders/${order_id}/stream`
      const both = [
        await StreamClient.open(working.api.baseUrl + path),
        await StreamClient.open(second.url + path),
      ]
      clients.push(...both)
      await working.api.untilStatus(order_id, 'PREPARING')
      await working.api.cancel(order_id)
      for (const client of both) {
        await until('the cancellation has come', () =>
          client.events.some(({ event }) => event === 'order.cancelled.v1'),
        )
        const [snapshot, ...news] = client.events
        expect(snapshot?.event).to.equal('snapshot')
        const expected = ['1', '2', '3', '5']
        expect(news.map(sequenceOf)).to.deep.equal(
          expected.filter(id => Number(id) > Number(snapshot?.id.split('-')[0])),
        )
      }
    } finally {
      for (const service of others) await service.stop(1_000)
      await working.stop()
    }
  })
})
