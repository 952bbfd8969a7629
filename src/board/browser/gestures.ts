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
  send: (gesture: Gesture, keepalive: boolean) => Promise<Answer>
  /** the API has changed the order, or knows better */
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
 * The gestures of this screen that are not done yet. Each is sent once: after the time to undo it,
 * and only while the board shows what is true now.
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

  /** Adds a gesture, unless one for this order is not done yet. @returns whether it was added */
  add({ order_id, code, version }: BoardOrder, action: Action): boolean {
    if (this.#byOrder.has(order_id)) return false
    this.#set({
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

  /** Takes back the last gesture that is not sent yet. @returns its order */
  undoLast(): string | undefined {
    const last = this.all().findLast(({ state, isAttempted }) => state !== 'sending' && !isAttempted)
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

  /** Another screen was faster. An attempted gesture may itself be what changed the order. */
  #isOvertaken({ isAttempted, version, code }: Gesture, order: BoardOrder | undefined): boolean {
    if (isAttempted || (order && order.version === version)) return false
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
    if (status >= 400) this.#options.onNotice(`${gesture.code}: ${reasonOf(status, problem)}`)
    this.#options.onAnswer(gesture, answer)
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

function reasonOf(status: number, problem: string): string {
  const isStale = status === 412
  return isStale ? 'another screen was faster. The board shows what the order is now.' : problem
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
