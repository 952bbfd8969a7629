import type { Database } from '../db/database.ts'
import type { Listener } from '../db/listener.ts'
import { isEventType } from '../events/catalogue.ts'
import { toCloudEvent } from '../events/cloud-event.ts'
import { type NewEvent, readNewEvents } from '../events/read-new-events.ts'
import { earliestOf, isWithin, type SnapshotPosition } from '../events/snapshot-position.ts'
import { sortEvents } from '../events/sort-events.ts'
import { EVENTS_CHANNEL } from '../outbox/notify-channels.ts'
import type { Logger } from '../platform/log.ts'
import { PollLoop } from '../platform/poll-loop.ts'
import { countReadFailure, countSent, recordLag } from './tailer-metrics.ts'

/** The events that a stream carries: those of a restaurant, or those of one of its orders. */
interface Topic {
  restaurantId: string
  /** undefined: all events of the restaurant */
  orderId?: string
}

/** A stream that receives new events. */
export interface Subscription {
  readonly topic: Topic
  /** what is rendered: CloudEvents, or the steps that the customer of an order may see */
  readonly format: 'events' | 'steps'
  /** the events that the stream has received; the tailer advances it */
  position: SnapshotPosition
  /**
   * Renders new events as bytes of a stream: once for all subscriptions of a topic with the same
   * position and format.
   * @param events at least one, sorted
   */
  render(events: readonly NewEvent[], from: SnapshotPosition, to: SnapshotPosition): string
  /** @param events the rendered ones */
  send(rendered: string, events: readonly NewEvent[]): void
  /**
   * Ends the stream, because the server is on another timeline than the position: the events in
   * between may be lost, and the client has to start from a snapshot.
   */
  restart(): void
}

/** The longest delay of a committed event whose wake-up was lost. */
const POLL_MS = 1_000
/** The shortest time between two reads: 20 per second. */
const MIN_INTERVAL_MS = 50
/** Events per read. */
const LIMIT_COUNT = 5_000

/**
 * Sends new events to the streams of this process, whichever process commits them. One tailer
 * serves all streams: it reads when it is woken (by this process or by NOTIFY) and once per second,
 * and it is idle while nothing is subscribed. Each stream receives each event once, the events of
 * an order in their sequence.
 */
export class EventTailer {
  readonly #database: Database
  readonly #subscriptions = new Map<string, Set<Subscription>>()
  readonly #loop: PollLoop
  #count = 0
  #listener: Promise<Listener> | undefined
  #closing: Promise<void> = Promise.resolve()
  #isStopping = false

  constructor(database: Database, log: Logger) {
    this.#database = database
    this.#loop = new PollLoop({
      run: () => this.#sendNewEvents(),
      intervalMs: POLL_MS,
      minIntervalMs: MIN_INTERVAL_MS,
      onError: error => {
        countReadFailure()
        log.warn({ error: String(error) }, 'new events for streams could not be read; retrying')
      },
    })
  }

  /** Makes the tailer read new events now. Costs next to nothing while nothing is subscribed. */
  wake(): void {
    this.#loop.wake()
  }

  /**
   * Sends everything after the subscription's position, from now on.
   * @returns ends the subscription
   */
  subscribe(subscription: Subscription): () => void {
    const name = nameOf(subscription.topic)
    const ofTopic = this.#subscriptions.get(name) ?? new Set()
    this.#subscriptions.set(name, ofTopic.add(subscription))
    this.#count++
    if (!this.#isStopping) this.#resume()
    // Events between the subscription's position and now are sent at once.
    this.wake()
    return () => {
      if (!ofTopic.delete(subscription)) return
      this.#count--
      if (ofTopic.size === 0 && this.#subscriptions.get(name) === ofTopic) this.#subscriptions.delete(name)
      if (this.#count === 0) this.#pause()
    }
  }

  /** Resolves when the current read has ended and the listening connection is closed. */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#pause()
    await this.#loop.stop()
    await this.#closing
  }

  #resume(): void {
    const wake = () => this.wake()
    this.#listener ??= this.#database.listen(EVENTS_CHANNEL, wake, wake)
    this.#loop.start()
  }

  #pause(): void {
    void this.#loop.stop()
    const closed = this.#listener?.then(listener => listener.close())
    this.#listener = undefined
    this.#closing = this.#closing.then(() => closed)
  }

  /** @returns whether more events may be waiting */
  async #sendNewEvents(): Promise<boolean> {
    const subscriptions = [...this.#subscriptions.values()].flatMap(ofTopic => [...ofTopic])
    if (subscriptions.length === 0) return false
    const restaurants = [...new Set(subscriptions.map(({ topic }) => topic.restaurantId))]
    const since = earliestOf(new Set(subscriptions.map(({ position }) => position)))
    const batch = await readNewEvents(this.#database, since, restaurants, LIMIT_COUNT)
    const { next, timeline } = batch.position
    for (const each of subscriptions) if (each.position.timeline !== timeline) each.restart()
    // A subscription whose position is beyond this batch is served by the next.
    const due = subscriptions.filter(
      ({ position }) => position.timeline === timeline && position.next <= next,
    )
    if (batch.events.length > 0) this.#send(due, sortEvents(batch.events), batch.position)
    for (const subscription of due) subscription.position = batch.position
    return !batch.isComplete
  }

  #send(due: readonly Subscription[], events: readonly NewEvent[], to: SnapshotPosition): void {
    const byTopic = groupByTopic(events)
    for (const [name, ofTopic] of Map.groupBy(due, ({ topic }) => nameOf(topic))) {
      const topicEvents = byTopic.get(name)
      if (!topicEvents) continue
      for (const subscriptions of groupAlike(ofTopic)) {
        const [first] = subscriptions
        const { position: from } = first
        const unseen = topicEvents.filter(({ xid }) => !isWithin(from, xid))
        const rendered = unseen.length > 0 && first.render(unseen, from, to)
        if (!rendered) continue
        const open = subscriptions.filter(subscription => this.#subscriptions.get(name)?.has(subscription))
        for (const subscription of open) subscription.send(rendered, unseen)
        countSent(unseen.length * open.length)
      }
    }
    recordLag(events)
  }
}

/** Groups the subscriptions of a topic that get the same bytes. */
function groupAlike(ofTopic: readonly Subscription[]): [Subscription, ...Subscription[]][] {
  const byPosition = Map.groupBy(ofTopic, ({ position }) => position).values()
  return [...byPosition].flatMap(alike => [...Map.groupBy(alike, ({ format }) => format).values()]) as [
    Subscription,
    ...Subscription[],
  ][]
}

const bodies = new WeakMap<NewEvent, string>()

/**
 * Returns the CloudEvent of an event as JSON, rendered once per event.
 * @returns undefined for types that only a newer version has
 */
export function bodyOf(event: NewEvent, publicUrl: string): string | undefined {
  if (!isEventType(event.type)) return undefined
  const body = bodies.get(event) ?? JSON.stringify(toCloudEvent(event, publicUrl))
  bodies.set(event, body)
  return body
}

function nameOf({ restaurantId, orderId }: Topic): string {
  return orderId === undefined ? `restaurant ${restaurantId}` : `order ${orderId}`
}

function groupByTopic(events: readonly NewEvent[]): Map<string, NewEvent[]> {
  const byTopic = new Map<string, NewEvent[]>()
  for (const event of events) {
    const { restaurant_id: restaurantId, order_id: orderId } = event
    for (const topic of orderId === null
      ? [{ restaurantId }]
      : [{ restaurantId }, { restaurantId, orderId }]) {
      const name = nameOf(topic)
      const topicEvents = byTopic.get(name)
      if (topicEvents) topicEvents.push(event)
      else byTopic.set(name, [event])
    }
  }
  return byTopic
}
