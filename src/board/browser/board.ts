import type { Answer, Api } from '../../pages/browser/api.ts'
import type { ServerClock } from '../../pages/browser/clock.ts'
import { urgencyOf } from '../../pages/browser/clock.ts'
import { type Connection, Follower, type StreamEvent } from '../../pages/browser/follow.ts'
import { newKey } from '../../pages/browser/new-key.ts'
import type { Session } from '../../pages/browser/session.ts'
import { Alarm } from './alarm.ts'
import type { CloudEvent, Order, Snapshot } from './api-types.ts'
import { Background } from './background.ts'
import { type BoardInput, type BoardOrder, type BoardState, emptyState, fold } from './board-state.ts'
import { type Action, type Column, ColumnCache, matches, shownCodes } from './columns.ts'
import { type Gesture, Gestures } from './gestures.ts'
import { KeyRecorder } from './key-recorder.ts'
import { Announcements, inWords, newsOf } from './news.ts'
import { OrderReader } from './order-reader.ts'
import { Search } from './search.ts'
import { sendGesture } from './send-gesture.ts'
import { applySettings, loadSettings, type Settings, saveSettings } from './settings.ts'
import { mayChangeStock, Stock } from './stock.ts'
import type { Ticket } from './ticket.ts'
import { Unacknowledged } from './unacknowledged.ts'

export type Panel = { name: 'stock' | 'counts' | 'settings' | 'keys' } | { name: 'order'; order_id: string }

export interface Notice {
  id: number
  text: string
}

/** A touch on a card that has just moved, or changed its button, was meant for something else. */
const DEAF_MS = 600
const MAX_NOTICE_COUNT = 5

/** The board of one restaurant: what it shows, and what people do with it. */
export class Board {
  state: BoardState = emptyState
  connection: Connection = { state: 'connecting' }
  settings: Settings = loadSettings()
  panel: Panel | undefined
  notices: readonly Notice[] = []
  readonly announcements = new Announcements()
  /** what is printed instead of the board; undefined: the board */
  ticket: Ticket | undefined
  readonly api: Api
  readonly clock: ServerClock
  readonly session: Session
  readonly restaurantId: string
  readonly gestures: Gestures
  readonly stock: Stock
  readonly alarm: Alarm
  readonly search: Search
  readonly recorder: KeyRecorder
  readonly reader: OrderReader
  readonly #follower: Follower
  readonly #background: Background
  readonly #unacknowledged: Unacknowledged
  readonly #columns = new ColumnCache()
  readonly #onChange: () => void
  readonly #movedMs = new Map<string, number>()
  /** the orders on the board when the connection was lost */
  #known: ReadonlySet<string> = new Set()
  /** parts of a snapshot that is not complete yet */
  #parts: Snapshot[] = []
  #noticeCount = 0

  constructor(api: Api, clock: ServerClock, session: Session, restaurantId: string, onChange: () => void) {
    this.api = api
    this.clock = clock
    this.session = session
    this.restaurantId = restaurantId
    this.#onChange = onChange
    this.alarm = new Alarm(onChange)
    this.search = new Search(onChange)
    this.recorder = new KeyRecorder({
      keys: () => this.settings.keys,
      save: keys => this.change({ keys }),
      onChange,
    })
    this.reader = new OrderReader(api, input => this.#read(input))
    this.#unacknowledged = new Unacknowledged(sessionStorage, restaurantId, clock.nowMs())
    this.stock = new Stock(api, clock, restaurantId, onChange)
    this.gestures = new Gestures({
      restaurantId,
      send: (gesture, keepalive) => sendGesture(api, gesture, keepalive),
      onAnswer: (gesture, answer) => this.#answered(gesture, answer),
      onNotice: text => this.notify(text),
      onChange,
      storage: sessionStorage,
      newKey,
      now: () => clock.nowMs(),
    })
    this.#follower = new Follower({
      url: api.url(`api/v1/restaurants/${restaurantId}/stream`),
      clock,
      onEvents: events => this.#received(events),
      onConnection: connection => this.#connected(connection),
    })
    this.#background = new Background(this.#follower, restaurantId)
    applySettings(this.settings)
  }

  start(): void {
    this.#follower.start()
    // After a reload, browsers allow sound without another touch.
    if (this.settings.isSoundOn) this.alarm.bell.unlock()
    if (this.can('inventory:read')) this.stock.refresh(0)
  }

  can(scope: string): boolean {
    return this.session.scopes.includes(scope)
  }

  /** Whether a snapshot has arrived. Until then, the board does not know even that it is empty. */
  get isKnown(): boolean {
    return this.state.restaurant !== undefined
  }

  get isLive(): boolean {
    return this.connection.state === 'live'
  }

  /** Server time as of which the board is true. */
  get asOfMs(): number | undefined {
    return this.#follower.heardMs
  }

  /** All columns, and the ones that a person has chosen with the orders that match the search. */
  columns(): { all: Column[]; shown: Column[] } {
    const { query, columnFilter } = this.search
    const all = this.#columns.of(this.state, this.clock.nowMs())
    const shown = all
      .filter(({ name }) => columnFilter === undefined || name === columnFilter)
      .map(({ name, orders }) => ({ name, orders: orders.filter(order => matches(order, query)) }))
    return { all, shown }
  }

  codes(): Map<string, string> {
    return shownCodes(this.columns().all.flatMap(({ orders }) => orders))
  }

  /** Called once per second. */
  tick(): void {
    this.gestures.advance(id => this.state.orders.get(id), this.isLive)
    if (this.state.restaurant) this.alarm.tick(this.#late())
    if (this.isLive) this.reader.readSome([...this.state.missing, ...this.#unacknowledged.unread])
    this.#onChange()
  }

  wake(): void {
    this.#background.leave()
    this.#follower.resume()
    this.#follower.wake()
  }

  /** The page is in the background: leaves the connection to others, unless it is to be heard. */
  rest(): void {
    if (this.settings.isSoundOn) this.#background.enter()
    else this.#follower.rest()
  }

  /** A person touched the board: new orders have been seen, and a ticket is printed or given up. */
  touched(): void {
    this.alarm.silence()
    if (this.ticket) {
      this.ticket = undefined
      this.#onChange()
    }
    if (this.settings.isSoundOn && !this.alarm.bell.isAudible) this.alarm.bell.unlock()
  }

  /** Remembers that a card is somewhere else than before, or shows another button. */
  moved(orderId: string): void {
    this.#movedMs.set(orderId, performance.now())
  }

  isDeaf(orderId: string): boolean {
    return performance.now() - (this.#movedMs.get(orderId) ?? Number.NEGATIVE_INFINITY) < DEAF_MS
  }

  /** Adds the gesture of a touch on the card or of its key, unless the card has just moved. */
  act(order: BoardOrder, action: Action): void {
    if (!this.isDeaf(order.order_id)) this.#add(order, action)
  }

  /** Cancels from the panel. A touch there always counts: the panel does not move with the card. */
  cancel(order: BoardOrder): void {
    this.#add(order, 'cancel')
    this.open(undefined)
  }

  undo(orderId: string): void {
    if (!this.isDeaf(orderId) && this.gestures.undo(orderId)) this.moved(orderId)
  }

  acknowledge(orderId: string): void {
    if (!this.isDeaf(orderId)) this.apply([{ kind: 'acknowledged', order_id: orderId }])
  }

  apply(inputs: BoardInput[]): void {
    const before = this.state
    const after = fold(before, inputs)
    const { arrived, cancelled } = newsOf(before, after, this.clock.nowMs())
    // What came and was cancelled while the board was not connected has never been seen here.
    const unseen = cancelled.filter(({ order_id }) => !this.isLive && !this.#known.has(order_id))
    this.state = fold(
      after,
      unseen.map(({ order_id }) => ({ kind: 'acknowledged', order_id })),
    )
    const news = { arrived, cancelled: cancelled.filter(order => !unseen.includes(order)) }
    const codes = this.codes()
    this.announcements.add(inWords(news, order => codes.get(order.order_id) ?? order.code))
    this.alarm.ringFor(news)
    this.#rememberCancelled()
    this.reader.readSome(this.state.missing)
    this.#onChange()
  }

  notify(text: string): void {
    this.notices = [...this.notices, { id: ++this.#noticeCount, text }].slice(-MAX_NOTICE_COUNT)
    this.#onChange()
  }

  dismiss(id: number): void {
    this.notices = this.notices.filter(notice => notice.id !== id)
    this.#onChange()
  }

  /** Draws the ticket, which the screen then prints. */
  print(ticket: Ticket): void {
    this.ticket = ticket
    this.#onChange()
  }

  open(panel: Panel | undefined): void {
    this.panel = panel
    this.#onChange()
  }

  change(settings: Partial<Settings>): void {
    this.settings = { ...this.settings, ...settings }
    saveSettings(this.settings)
    applySettings(this.settings)
    this.#onChange()
  }

  #add(order: BoardOrder, action: Action): void {
    if (this.gestures.add(order, action)) this.moved(order.order_id)
  }

  #connected(connection: Connection): void {
    if (this.isLive) this.#known = new Set(this.state.orders.keys())
    this.connection = connection
    this.#parts = []
    if (connection.state === 'live' && this.can('inventory:read')) this.stock.refresh()
    this.tick()
  }

  #received(events: StreamEvent[]): void {
    const inputs = events.flatMap(event => this.#inputsOf(event))
    if (events.some(({ type }) => mayChangeStock(type)) && this.can('inventory:read')) this.stock.refresh()
    this.apply(inputs)
  }

  #inputsOf({ type, data, isComplete }: StreamEvent): BoardInput[] {
    if (type !== 'snapshot') return [{ kind: 'event', type, data: (data as CloudEvent).data }]
    this.#parts.push(data as Snapshot)
    if (!isComplete) return []
    const open_orders = this.#parts.flatMap(part => part.open_orders)
    this.#parts = []
    return [{ kind: 'snapshot', snapshot: { ...(data as Snapshot), open_orders } }]
  }

  /** What the page before has announced is no news. */
  #read(input: BoardInput): void {
    if (input.kind === 'order') {
      const { order } = input
      const isUnread = this.#unacknowledged.unread.delete(order.order_id)
      if (isUnread && order.status === 'CANCELLED')
        this.state = fold(this.state, [{ kind: 'unacknowledged', order }])
    } else if (input.kind === 'absent') this.#unacknowledged.unread.delete(input.order_id)
    this.apply([input])
  }

  #rememberCancelled(): void {
    const shown = this.columns().all.flatMap(({ orders }) => orders)
    const cancelled = shown.filter(({ status }) => status === 'CANCELLED')
    this.#unacknowledged.update(
      cancelled.map(({ order_id }) => order_id),
      this.clock.nowMs(),
    )
  }

  #answered({ order_id }: Gesture, { status, body, problem }: Answer): void {
    if (status === 404) this.apply([{ kind: 'absent', order_id }])
    else if (problem === undefined) this.apply([{ kind: 'order', order: body as Order }])
    else void this.reader.read(order_id)
  }

  #late(): Set<string> {
    const nowMs = this.clock.nowMs()
    return new Set(
      this.#columns
        .of(this.state, nowMs)
        .flatMap(({ name, orders }) => (name === 'out' ? [] : orders))
        .filter(({ placed_at }) => urgencyOf(nowMs - Date.parse(placed_at), this.settings) === 'late')
        .map(({ order_id }) => order_id),
    )
  }
}
