import { expect } from 'chai'
import type { Order } from '../../src/board/browser/api-types.ts'
import { type BoardOrder, emptyState, fold } from '../../src/board/browser/board-state.ts'
import { type Gesture, Gestures } from '../../src/board/browser/gestures.ts'
import type { Answer } from '../../src/pages/browser/api.ts'
import { orderAfter, type Step, snapshotOf } from './orders.ts'

const MINUTE_MS = 60_000

function answer(status: number, more: Partial<Answer> = {}): Answer {
  const problem = status >= 200 && status < 300 ? undefined : 'It failed.'
  return { status, body: {}, problem, retryAfterSeconds: undefined, next: undefined, ...more }
}

/** Gestures of a screen with a clock of its own and an API that gives the answers of a test. */
class Rig {
  nowMs = 0
  answers: Answer[] = []
  readonly sent: { gesture: Gesture; keepalive: boolean }[] = []
  readonly notices: string[] = []
  readonly answered: string[] = []
  readonly #values = new Map<string, string>()
  orders = new Map<string, BoardOrder>()
  gestures = this.reload()

  /** What a reload of the page does: only the storage stays. */
  reload(restaurantId = 'r'): Gestures {
    let keys = 0
    this.gestures = new Gestures({
      restaurantId,
      send: async (gesture, keepalive) => {
        this.sent.push({ gesture, keepalive })
        return this.answers.shift() ?? answer(200)
      },
      onAnswer: ({ order_id }, { status }) => this.answered.push(`${order_id} ${status}`),
      onNotice: text => this.notices.push(text),
      onChange: () => undefined,
      storage: {
        getItem: name => this.#values.get(name) ?? null,
        setItem: (name, value) => this.#values.set(name, value),
      },
      newKey: () => `key-${++keys}`,
      now: () => this.nowMs,
    })
    return this.gestures
  }

  show(id: string, steps: Step[], more: Partial<Order> = {}): BoardOrder {
    const order = fold(emptyState, [snapshotOf([orderAfter(id, steps, more)])]).orders.get(id)
    if (!order) throw new Error('the order is missing')
    this.orders.set(id, order)
    return order
  }

  /** @param isLive whether the board is connected */
  async pass(ms: number, isLive = true): Promise<void> {
    this.nowMs += ms
    this.gestures.advance(id => this.orders.get(id), isLive)
    await new Promise(done => setImmediate(done))
  }
}

describe('gestures on the board', () => {
  let rig: Rig
  let order: BoardOrder

  beforeEach(() => {
    rig = new Rig()
    order = rig.show('a', ['PREPARING'])
  })

  it('are sent once, five seconds after they were made, for the version that was seen', async () => {
    expect(rig.gestures.add(order, 'ready')).to.equal(true)
    expect(rig.gestures.add(order, 'ready')).to.equal(false)
    await rig.pass(4_999)
    expect(rig.sent).to.deep.equal([])
    await rig.pass(1)
    await rig.pass(1_000)
    expect(rig.sent.map(({ gesture }) => gesture)).to.have.lengthOf(1)
    expect(rig.sent[0]?.gesture).to.include({ order_id: 'a', action: 'ready', version: 2, key: 'key-1' })
    expect(rig.answered).to.deep.equal(['a 200'])
    expect(rig.gestures.count).to.equal(0)
  })

  it('are never sent when they are undone in time, by order or the last one first', async () => {
    const other = rig.show('b', ['PREPARING'])
    rig.gestures.add(order, 'ready')
    rig.gestures.add(other, 'ready')
    expect(rig.gestures.undoLast()).to.equal('b')
    expect(rig.gestures.undo('a')).to.equal(true)
    expect(rig.gestures.undoLast()).to.equal(undefined)
    await rig.pass(60_000)
    expect(rig.sent).to.deep.equal([])
  })

  it('are held without a connection, survive a reload, and are sent once afterwards', async () => {
    rig.gestures.add(order, 'ready')
    await rig.pass(6_000, false)
    expect(rig.gestures.get('a')).to.include({ state: 'held' })
    rig.reload()
    await rig.pass(1_000, false)
    expect(rig.sent).to.deep.equal([])
    await rig.pass(1_000, true)
    await rig.pass(1_000, true)
    expect(rig.sent.map(({ gesture }) => gesture.key)).to.deep.equal(['key-1'])
  })

  it('can be undone while they are held', async () => {
    rig.gestures.add(order, 'ready')
    await rig.pass(6_000, false)
    expect(rig.gestures.undo('a')).to.equal(true)
    await rig.pass(1_000)
    expect(rig.sent).to.deep.equal([])
  })

  it('are dropped with a notice when another screen was faster', async () => {
    rig.gestures.add(order, 'ready')
    rig.show('a', ['PREPARING', 'READY'])
    await rig.pass(5_000)
    expect(rig.sent).to.deep.equal([])
    expect(rig.notices).to.deep.equal(['AXXX: another screen was faster. It is ready now.'])
    rig.gestures.add(order, 'ready')
    rig.orders.clear()
    await rig.pass(5_000)
    expect(rig.notices.at(-1)).to.equal('AXXX is not on the board any more.')
  })

  it('report that another screen was faster when the API says so', async () => {
    rig.answers = [answer(412)]
    rig.gestures.add(order, 'ready')
    await rig.pass(5_000)
    expect(rig.notices[0]).to.match(/another screen was faster/)
    expect(rig.answered).to.deep.equal(['a 412'])
    expect(rig.gestures.count).to.equal(0)
  })

  it('are repeated with the same key until there is an answer, no sooner than it asks for', async () => {
    rig.answers = [
      answer(0),
      answer(503, { retryAfterSeconds: 7 }),
      answer(401),
      answer(409, inFlight),
      answer(200),
    ]
    rig.gestures.add(order, 'out')
    await rig.pass(5_000)
    // The first request has changed the order, although its answer was lost.
    rig.show('a', ['PREPARING', 'OUT_FOR_DELIVERY'])
    expect(rig.gestures.undo('a')).to.equal(false)
    await rig.pass(2_000)
    await rig.pass(6_999)
    expect(rig.sent).to.have.lengthOf(2)
    for (const ms of [1, 2_000, 2_000]) await rig.pass(ms)
    expect(rig.sent.map(({ gesture }) => gesture.key)).to.deep.equal(Array.from({ length: 5 }, () => 'key-1'))
    expect(rig.notices).to.deep.equal([])
    expect(rig.gestures.count).to.equal(0)
  })

  const inFlight: Partial<Answer> = { body: { code: 'idempotency-key-in-flight' } }

  it('ask again after ten minutes, and are sent only when a person confirms', async () => {
    rig.gestures.add(order, 'ready')
    await rig.pass(10 * MINUTE_MS + 1, false)
    await rig.pass(1_000)
    expect(rig.gestures.get('a')).to.include({ state: 'asking' })
    expect(rig.sent).to.deep.equal([])
    rig.gestures.confirm('a')
    await rig.pass(1_000)
    expect(rig.sent).to.have.lengthOf(1)
  })

  it('of another restaurant are sent from the board that is open now, and only its own keys undo them', async () => {
    rig.gestures.add(order, 'ready')
    await rig.pass(6_000, false)
    rig.reload('another')
    rig.orders.clear()
    const shown = rig.gestures.elsewhere().map(({ restaurant_id, state }) => `${restaurant_id} ${state}`)
    expect(shown).to.deep.equal(['r held'])
    expect(rig.gestures.undoLast()).to.equal(undefined)
    await rig.pass(1_000, false)
    expect(rig.sent).to.deep.equal([])
    rig.answers = [answer(412)]
    await rig.pass(1_000)
    expect(rig.sent.map(({ gesture }) => gesture.key)).to.deep.equal(['key-1'])
    expect(rig.notices).to.deep.equal(['AXXX: another screen was faster.'])
    expect(rig.answered, 'the board shows no order of another restaurant').to.deep.equal([])
    expect(rig.gestures.count).to.equal(0)
  })

  it('of another restaurant wait after ten minutes until a person confirms them on its board', async () => {
    rig.gestures.add(order, 'ready')
    await rig.pass(10 * MINUTE_MS + 1, false)
    rig.reload('another')
    await rig.pass(1_000)
    expect(rig.gestures.elsewhere()).to.have.lengthOf(1)
    rig.reload()
    await rig.pass(1_000)
    rig.gestures.confirm('a')
    await rig.pass(1_000)
    expect(rig.sent).to.have.lengthOf(1)
    expect(rig.answered).to.deep.equal(['a 200'])
  })

  it('expire after twelve hours with a notice', async () => {
    rig.gestures.add(order, 'ready')
    await rig.pass(12 * 60 * MINUTE_MS + 1, false)
    expect(rig.gestures.count).to.equal(0)
    expect(rig.notices).to.deep.equal(['AXXX: not sent for 12 hours, and now dropped (Ready).'])
  })

  it('are sent at once when the page is left, and again with the same key after a reload', async () => {
    rig.gestures.add(order, 'ready')
    rig.gestures.flush()
    expect(rig.sent.map(({ keepalive }) => keepalive)).to.deep.equal([true])
    rig.reload()
    rig.show('a', ['PREPARING', 'READY'])
    await rig.pass(1_000)
    expect(rig.sent.map(({ gesture }) => gesture.key)).to.deep.equal(['key-1', 'key-1'])
    expect(rig.notices).to.deep.equal([])
  })
})
