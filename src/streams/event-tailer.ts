import type { Database } from '../db/database.ts'
import type { Listener } from '../db/listener.ts'
import { isEventType } from '../events/catalogue.ts'
import { toCloudEvent } from '../events/cloud-event.ts'
import { type NewEvent, readNewEvents } from '../events/read-new-events.ts'
import { isWithin, type SnapshotPosition } from '../events/snapshot-position.ts'
import { sortEvents } from '../events/sort-events.ts'
import { EVENTS_CHANNEL } from '../outbox/notify-channels.ts'
import { InterruptibleSleep } from '../platform/interruptible-sleep.ts'
import type { Logger } from '../platform/log.ts'
import { countReadFailure, countSent, recordLag } from './tailer-metrics.ts'

/** What a stream follows: the events of a restaurant, or those of one of its orders. */
interface Topic {
  restaurantId: string
  /** undefined: all of the restaurant's */
  orderId?: string
}

/** Somebody who wants to be told of new events. */
export interface Subscription {
  readonly topic: Topic
  /** up to where they have been told; moved on by the reader */
  horizon: SnapshotPosition
  /**
   * Makes of new events what is sent of them; once for all subscriptions of a topic that stand at the same horizon.
   * @param events in order, at least one
   */
  render(events: readonly NewEvent[], from: SnapshotPosition, to: SnapshotPosition): string
  send(rendered: string): void
}

/** The safety net: how long a committed event may wait when nobody was told of it. */
const POLL_MS = 1_000
/** The shortest time between two looks: 20 a second. */
const TICK_MS = 50
/** Events a look. */
const LIMIT_COUNT = 5_000
const ERROR_BACKOFF_BASE_MS = 100
const ERROR_BACKOFF_MAX_MS = 2_000

/**
 * Tells this process's streams of new events, whoever commits them: one reader for all of them, which looks when it is
 * woken (by this process, or by NOTIFY) and once a second anyway, and does nothing while nobody listens. Each event is told
 * once, and those of an order in their sequence.
 */
export class EventTailer {
  readonly #database: Database
  readonly #log: Logger
  readonly #subscriptions = new Map<string, Set<Subscription>>()
  #count = 0
  #running: Promise<void> | undefined
  #listener: Promise<Listener | undefined> | undefined
  #stopping = false
  #woken = false
  /** between two looks, however much there is to see */
  readonly #tick = new InterruptibleSleep(() => !this.#isWanted)
  /** while there may be nothing to see; ends when it is woken */
  readonly #poll = new InterruptibleSleep(() => !this.#isWanted)

  constructor(database: Database, log: Logger) {
    this.#database = database
    this.#log = log
  }

  /** There may be new events: look now. Costs next to nothing while nobody listens. */
  wake(): void {
    this.#woken = true
    this.#poll.interrupt()
  }

  /** From now on it is told of what is beyond its horizon. @returns ends it */
  subscribe(subscription: Subscription): () => void {
    const name = nameOf(subscription.topic)
    const those = this.#subscriptions.get(name) ?? new Set()
    this.#subscriptions.set(name, those.add(subscription))
    this.#count++
    this.#listener ??= this.#listen()
    this.#running ??= this.#run()
    // What came between its horizon and now is told at once.
    this.wake()
    return () => {
      if (!those.delete(subscription)) return
      this.#count--
      if (those.size === 0 && this.#subscriptions.get(name) === those) this.#subscriptions.delete(name)
      if (this.#count === 0) this.#endRests()
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true
    this.#endRests()
    await this.#running
  }

  /** Until nobody listens. */
  async #run(): Promise<void> {
    let failures = 0
    while (this.#isWanted) {
      const began = performance.now()
      try {
        this.#woken = false
        if (!(await this.#look())) this.#woken = true
        failures = 0
        await this.#tick.take(TICK_MS - (performance.now() - began))
        if (!this.#woken) await this.#poll.take(POLL_MS)
      } catch (error) {
        countReadFailure()
        this.#log.warn({ error: String(error) }, 'new events could not be read for streams; trying again')
        await this.#tick.take(Math.min(ERROR_BACKOFF_MAX_MS, ERROR_BACKOFF_BASE_MS * 2 ** failures++))
      }
    }
    this.#running = undefined
    const listener = this.#listener
    this.#listener = undefined
    await (await listener)?.close()
    if (this.#isWanted) {
      this.#listener ??= this.#listen()
      this.#running ??= this.#run()
    }
  }

  /** @returns whether that was all there is */
  async #look(): Promise<boolean> {
    const asked = [...this.#subscriptions.values()].flatMap(those => [...those])
    const [first] = asked
    if (!first) return true
    const restaurants = [...new Set(asked.map(({ topic }) => topic.restaurantId))]
    const since = earliest(new Set(asked.map(({ horizon }) => horizon)))
    const { events, horizon, isWhole } = await readNewEvents(this.#database, since, restaurants, LIMIT_COUNT)
    // Who came in later than this look reaches is told by the next.
    const told = asked.filter(subscription => subscription.horizon.next <= horizon.next)
    if (events.length > 0) this.#tell(told, sortEvents(events), horizon)
    for (const subscription of told) subscription.horizon = horizon
    return isWhole
  }

  #tell(told: readonly Subscription[], events: readonly NewEvent[], horizon: SnapshotPosition): void {
    const byTopic = topicsOf(events)
    for (const [name, subscriptions] of Map.groupBy(told, ({ topic }) => nameOf(topic))) {
      const its = byTopic.get(name)
      if (!its) continue
      for (const [from, those] of Map.groupBy(subscriptions, subscription => subscription.horizon)) {
        const unseen = its.filter(({ xid }) => !isWithin(from, xid))
        const rendered = unseen.length > 0 && those[0]?.render(unseen, from, horizon)
        if (!rendered) continue
        const open = those.filter(subscription => this.#subscriptions.get(name)?.has(subscription))
        for (const subscription of open) subscription.send(rendered)
        countSent(unseen.length * open.length)
      }
    }
    recordLag(events)
  }

  async #listen(): Promise<Listener | undefined> {
    const wake = () => this.wake()
    return this.#stopping ? undefined : await this.#database.listen(EVENTS_CHANNEL, wake, wake)
  }

  get #isWanted(): boolean {
    return this.#count > 0 && !this.#stopping
  }

  #endRests(): void {
    for (const rest of [this.#tick, this.#poll]) rest.interrupt()
  }
}

const bodies = new WeakMap<NewEvent, string>()

/** What a client gets of an event: a CloudEvent in JSON, made once. @returns undefined when this version does not know it */
export function bodyOf(event: NewEvent, publicUrl: string): string | undefined {
  if (!isEventType(event.type)) return undefined
  const made = bodies.get(event) ?? JSON.stringify(toCloudEvent(event, publicUrl))
  bodies.set(event, made)
  return made
}

function nameOf({ restaurantId, orderId }: Topic): string {
  return orderId === undefined ? `restaurant ${restaurantId}` : `order ${orderId}`
}

function topicsOf(events: readonly NewEvent[]): Map<string, NewEvent[]> {
  const byTopic = new Map<string, NewEvent[]>()
  for (const event of events) {
    const { restaurant_id: restaurantId, order_id: orderId } = event
    for (const topic of orderId === null
      ? [{ restaurantId }]
      : [{ restaurantId }, { restaurantId, orderId }]) {
      const name = nameOf(topic)
      const its = byTopic.get(name)
      if (its) its.push(event)
      else byTopic.set(name, [event])
    }
  }
  return byTopic
}

/** A horizon that none of these is behind. What it reads again is left out by each one's own. */
function earliest(horizons: Iterable<SnapshotPosition>): SnapshotPosition {
  const all = [...horizons]
  return {
    next: all.reduce((least, { next }) => Math.min(least, next), Number.POSITIVE_INFINITY),
    underWay: [...new Set(all.flatMap(({ underWay }) => underWay))],
  }
}
