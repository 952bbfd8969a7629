import type { Answer } from '../../pages/browser/api.ts'
import type { BoardOrder } from './board-state.ts'
import { type Action, actionTitles } from './columns.ts'

/** Time in which a person can undo a gesture. Nothing is sent before. */
export const UNDO_MS = 5_000
/** A gesture that could not be sent for this time is sent only after a person has confirmed it. */
const ASK_AFTER_MS = 10 * 60_000
const EXPIRE_AFTER_MS = 12 * 60 * 60_000
const RETRY_MS = 2_000

/** A change that a person wants, until the API has answered. */
export interface Gesture {
  restaurant_id: string
  order_id: string
  code: string
  action: Action
  /** the version that the person has seen: the change applies to no other */
  version: number
  /** sent as Idempotency-Key, so that repeating the request changes nothing */
  key: string
  /** `undoable`: 5 s have not passed; `held`: no connection; `asking`: a person has to confirm */
  state: 'undoable' | 'held' | 'asking' | 'sending'
  madeMs: number
  /** The request has been sent at least once, and its answer is not known. */
  isAttempted: boolean
  /** not sent again before */
  retryMs: number
}

export interface GesturesOptions {
  /** the restaurant of the board */
  restaurantId: string
  send: (gesture: Gesture, keepalive: boolean) => Promise<Answer>
  /** the API has changed an order of the board, or knows better */
  onAnswer: (gesture: Gesture, answer: Answer) => void
  onNotice: (text: string) => void
  onChange: () => void
  /** survives a reload of the page */
  storage: { getItem: (name: string) => string | null; setItem: (name: string, value: string) => void }
  newKey: () => string
  /** ms since 1970, by a clock that does not jump when someone sets the device's */
  now: () => number
}

const STORAGE_NAME = 'gestures'

/**
 * The gestures of this tab that are not done yet. Each is sent once: after the time to undo it, and
 * only while the board shows what is true now. A tab that shows another restaurant meanwhile sends
 * them as well: the API compares the version that the person has seen.
 */
export class Gestures {
  readonly #options: GesturesOptions
  readonly #now: () => number
  readonly #byOrder = new Map<string, Gesture>()

  constructor(options: GesturesOptions) {
    this.#options = options
    this.#now = options.now
    for (const gesture of stored(options.storage)) {
      const state = gesture.state === 'sending' ? 'held' : gesture.state
      this.#byOrder.set(gesture.order_id, { ...gesture, state, retryMs: 0 })
    }
  }

  get(orderId: string): Gesture | undefined {
    return this.#byOrder.get(orderId)
  }

  get count(): number {
    return this.#byOrder.size
  }

  all(): Gesture[] {
    return [...this.#byOrder.values()]
  }

  /** The gestures that were made on the board of another restaurant. */
  elsewhere(): Gesture[] {
    return this.all().filter(gesture => !this.#isOwn(gesture))
  }

  /** Adds a gesture, unless one for this order is not done yet. @returns whether it was added */
  add({ order_id, code, version }: BoardOrder, action: Action): boolean {
    if (this.#byOrder.has(order_id)) return false
    this.#set({
      restaurant_id: this.#options.restaurantId,
      order_id,
      code,
      action,
      version,
      key: this.#options.newKey(),
      state: 'undoable',
      madeMs: this.#now(),
      isAttempted: false,
      retryMs: 0,
    })
    return true
  }

  /** Takes back a gesture that is not sent yet. @returns whether there was one */
  undo(orderId: string): boolean {
    const gesture = this.#byOrder.get(orderId)
    if (!gesture || gesture.state === 'sending' || gesture.isAttempted) return false
    this.#remove(orderId)
    return true
  }

  /** Takes back the last gesture of this board that is not sent yet. @returns its order */
  undoLast(): string | undefined {
    const last = this.all().findLast(
      gesture => gesture.state !== 'sending' && !gesture.isAttempted && this.#isOwn(gesture),
    )
    if (last) this.#remove(last.order_id)
    return last?.order_id
  }

  /** A person confirms a gesture that has been held for long. */
  confirm(orderId: string): void {
    const gesture = this.#byOrder.get(orderId)
    if (gesture?.state === 'asking') this.#set({ ...gesture, state: 'held', madeMs: this.#now() })
  }

  /**
   * Sends what is due, and drops what no longer applies.
   * @param orderOf the order as the board knows it
   * @param isLive the board shows what is true now
   */
  advance(orderOf: (orderId: string) => BoardOrder | undefined, isLive: boolean): void {
    const now = this.#now()
    for (const gesture of this.all()) {
      const age = now - gesture.madeMs
      if (gesture.state === 'sending' || (gesture.state === 'undoable' && age < UNDO_MS)) continue
      if (age > EXPIRE_AFTER_MS) {
        this.#remove(gesture.order_id)
        this.#options.onNotice(`${gesture.code}: not sent for 12 hours, and now dropped (${title(gesture)}).`)
      } else if (!isLive) this.#wait(gesture, 'held')
      else if (this.#isOvertaken(gesture, orderOf(gesture.order_id))) this.#remove(gesture.order_id)
      else if (age > ASK_AFTER_MS) this.#wait(gesture, 'asking')
      else if (gesture.retryMs <= now) void this.#send(gesture, false)
    }
  }

  /** Sends at once what would be sent later, because the page is being left. */
  flush(): void {
    for (const gesture of this.all()) if (gesture.state === 'undoable') void this.#send(gesture, true)
  }

  #isOwn({ restaurant_id }: Gesture): boolean {
    return restaurant_id === this.#options.restaurantId
  }

  /** Another screen was faster. An attempted gesture may itself be what changed the order. */
  #isOvertaken(gesture: Gesture, order: BoardOrder | undefined): boolean {
    const { isAttempted, version, code } = gesture
    if (isAttempted || !this.#isOwn(gesture) || order?.version === version) return false
    this.#options.onNotice(
      order
        ? `${code}: another screen was faster. It is ${statusInWords(order)} now.`
        : `${code} is not on the board any more.`,
    )
    return true
  }

  async #send(gesture: Gesture, keepalive: boolean): Promise<void> {
    const sending: Gesture = { ...gesture, state: 'sending', isAttempted: true }
    this.#set(sending)
    const answer = await this.#options.send(sending, keepalive)
    const { status, problem = '', retryAfterSeconds } = answer
    if (isTemporary(answer)) {
      const retryMs = this.#now() + (retryAfterSeconds === undefined ? RETRY_MS : retryAfterSeconds * 1_000)
      this.#set({ ...sending, state: 'held', retryMs })
      return
    }
    this.#remove(gesture.order_id)
    const reason = status === 412 ? this.#overtaken(gesture) : problem
    if (status >= 400) this.#options.onNotice(`${gesture.code}: ${reason}`)
    if (this.#isOwn(gesture)) this.#options.onAnswer(gesture, answer)
  }

  #overtaken(gesture: Gesture): string {
    const fact = 'another screen was faster.'
    return this.#isOwn(gesture) ? `${fact} The board shows what the order is now.` : fact
  }

  #wait(gesture: Gesture, state: 'held' | 'asking'): void {
    if (gesture.state !== state) this.#set({ ...gesture, state })
  }

  #set(gesture: Gesture): void {
    this.#byOrder.set(gesture.order_id, gesture)
    this.#changed()
  }

  #remove(orderId: string): void {
    this.#byOrder.delete(orderId)
    this.#changed()
  }

  #changed(): void {
    this.#options.storage.setItem(STORAGE_NAME, JSON.stringify(this.all()))
    this.#options.onChange()
  }
}

function stored(storage: GesturesOptions['storage']): Gesture[] {
  try {
    return JSON.parse(storage.getItem(STORAGE_NAME) ?? '[]') as Gesture[]
  } catch {
    return []
  }
}

function title({ action }: Gesture): string {
  return actionTitles[action]
}

/** No answer, no capacity, no session, or another request with this key in flight: sent again. */
function isTemporary({ status, body }: Answer): boolean {
  const code = (body as { code?: string } | undefined)?.code
  return [0, 401, 429].includes(status) || status >= 500 || code === 'idempotency-key-in-flight'
}

function statusInWords({ status, ready_at }: BoardOrder): string {
  switch (status) {
    case 'PLACED':
      return 'waiting for its stock'
    case 'PREPARING':
      return ready_at === null ? 'being cooked' : 'ready'
    case 'OUT_FOR_DELIVERY':
      return 'out'
    case 'DELIVERED':
      return 'delivered'
    case 'CANCELLED':
      return 'cancelled'
  }
}
