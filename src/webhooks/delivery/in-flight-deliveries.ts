import type { TakenDelivery, TakenJob } from './load-deliveries.ts'

/** A delivery that this worker holds the job of. */
export interface Held {
  job: TakenJob
  delivery: TakenDelivery
  /** when the job was last known to be ours, by the process's clock */
  since: number
}

/** What is held of one webhook. */
interface Receiver {
  inFlight: number
  heldCount: number
  /** by order: what is sent one after the other, the first of each under way or ready */
  lanes: Map<string, Held[]>
  /** lanes whose first may go */
  ready: string[]
}

/** Held at most for one webhook, the ones under way among them, while there is plenty of room. */
const HELD_COUNT = 40
/** Held by one process before each webhook is held to what it can have under way. */
const PLENTY_COUNT = 1_000
const MAX_COUNT = 10_000

/** Which deliveries a worker holds, and which of them may be sent now. Does no I/O. */
export class InFlightDeliveries {
  readonly #concurrency: number
  readonly #held = new Map<string, Held>()
  readonly #receivers = new Map<string, Receiver>()
  /** receivers with something ready and room to send it, in turn */
  readonly #able = new Set<string>()
  #inFlight = 0
  #whenIdle: (() => void) | undefined

  /** @param concurrency requests under way to one webhook */
  constructor(concurrency: number) {
    this.#concurrency = concurrency
  }

  get size(): number {
    return this.#held.size
  }

  /** How many more could be held. */
  get room(): number {
    return MAX_COUNT - this.#held.size
  }

  all(): Held[] {
    return [...this.#held.values()]
  }

  /** How many more of a webhook could be held. */
  roomFor(webhookId: string): number {
    return Math.max(0, this.#limit() - (this.#receivers.get(webhookId)?.heldCount ?? 0))
  }

  #limit(): number {
    return this.#held.size < PLENTY_COUNT ? HELD_COUNT : this.#concurrency
  }

  /**
   * Takes a delivery into hand, behind those of its order.
   * @returns HELD; or AWAITS_TURN, when what comes before it is not in these hands; or AWAITS_ROOM, when its webhook has enough here
   */
  take(held: Held): 'HELD' | 'AWAITS_TURN' | 'AWAITS_ROOM' {
    const { delivery } = held
    const { webhook_id, ahead } = delivery
    const receiver: Receiver = this.#receivers.get(webhook_id) ?? {
      inFlight: 0,
      heldCount: 0,
      lanes: new Map(),
      ready: [],
    }
    const key = laneOf(held)
    const lane = receiver.lanes.get(key)
    if (key === delivery.order_id) {
      const areHere = lane !== undefined && ahead.every(id => this.#held.has(id))
      if (delivery.is_early || (ahead.length > 0 && !areHere)) return 'AWAITS_TURN'
    }
    if (receiver.heldCount >= this.#limit()) return 'AWAITS_ROOM'
    this.#receivers.set(webhook_id, receiver)
    this.#held.set(delivery.delivery_id, held)
    receiver.heldCount++
    if (lane) lane.push(held)
    else {
      receiver.lanes.set(key, [held])
      receiver.ready.push(key)
      this.#reconsider(webhook_id, receiver)
    }
    return 'HELD'
  }

  /** One that is to be sent now, webhooks taking turns; undefined: none. Whoever sends it calls {@link answered}. */
  next(): Held | undefined {
    const [webhookId] = this.#able
    const receiver = webhookId === undefined ? undefined : this.#receivers.get(webhookId)
    if (webhookId === undefined || !receiver) return undefined
    const held = receiver.lanes.get(receiver.ready.shift() ?? '')?.[0]
    receiver.inFlight++
    this.#inFlight++
    this.#able.delete(webhookId)
    this.#reconsider(webhookId, receiver)
    return held
  }

  /** Its request has ended: another may go to the webhook. Its order goes on when it is {@link settled}. */
  answered({ delivery }: Held): void {
    const receiver = this.#receivers.get(delivery.webhook_id)
    if (receiver) {
      receiver.inFlight--
      this.#reconsider(delivery.webhook_id, receiver)
    }
    if (--this.#inFlight === 0) this.#whenIdle?.()
  }

  /**
   * What became of it is on disk.
   * @param isSettled false: it will be tried again, and what is behind it has to wait
   * @returns what was held behind it and is not any more
   */
  settled(held: Held, isSettled: boolean): Held[] {
    const { webhook_id } = held.delivery
    const receiver = this.#receivers.get(webhook_id)
    if (!receiver) return []
    const key = laneOf(held)
    const behind = (receiver.lanes.get(key) ?? []).filter(each => each !== held)
    const dropped = isSettled ? [] : behind
    for (const { delivery } of [held, ...dropped]) this.#held.delete(delivery.delivery_id)
    receiver.heldCount -= 1 + dropped.length
    if (isSettled && behind.length > 0) {
      receiver.lanes.set(key, behind)
      receiver.ready.push(key)
      this.#reconsider(webhook_id, receiver)
    } else {
      receiver.lanes.delete(key)
    }
    if (receiver.heldCount === 0) this.#receivers.delete(webhook_id)
    return dropped
  }

  /** Lets one go that {@link next} has given and that was not sent, with all that is behind it. */
  drop(held: Held): void {
    this.answered(held)
    this.settled(held, false)
  }

  /** Resolves when nothing is under way. */
  async untilIdle(): Promise<void> {
    if (this.#inFlight === 0) return
    await new Promise<void>(done => {
      this.#whenIdle = done
    })
    this.#whenIdle = undefined
  }

  /** Lets go of everything. @returns what was held */
  clear(): Held[] {
    const all = this.all()
    this.#held.clear()
    this.#receivers.clear()
    this.#able.clear()
    return all
  }

  #reconsider(webhookId: string, { ready, inFlight }: Receiver): void {
    if (ready.length > 0 && inFlight < this.#concurrency) this.#able.add(webhookId)
    else this.#able.delete(webhookId)
  }
}

/** What was asked for by hand, or redriven, waits for nobody. */
function laneOf({ delivery }: Held): string {
  const { order_id, delivery_id, requested, state } = delivery
  return order_id === null || requested || state === 'DEAD' ? delivery_id : order_id
}
