import { setTimeout as delay } from 'node:timers/promises'
import { StreamClient } from '../support/stream-client.ts'
import { untilTrue } from '../support/until.ts'
import type { TestBed } from './fault.ts'
import { untilPrepared } from './until-prepared.ts'

const RECONNECT_MS = 250
const POLL_MS = 10
const TIMEOUT_MS = 30_000
/** Events this close to the begin or the end of what a stream covers are not compared. */
const MARGIN_SECONDS = 2

interface SeenEvent {
  event_id: string
  order_id: string
  sequence: number
}

/** Follows the restaurant at one API as a browser does, and keeps what came since the snapshot. */
class StreamWatch {
  /** time of the last snapshot; undefined before the first */
  snapshotAt: Date | undefined
  /** beginnings of the stream after it was opened: `snapshot` or the type of an event */
  readonly resumedWith: string[] = []
  #seen: SeenEvent[] = []
  #client: StreamClient | undefined
  #isOver = false
  readonly #url: string
  readonly #running: Promise<void>

  constructor(url: string) {
    this.#url = url
    this.#running = this.#run()
  }

  get seen(): readonly SeenEvent[] {
    return this.#seen
  }

  async stop(): Promise<void> {
    this.#isOver = true
    this.#client?.close()
    await this.#running
  }

  async #run(): Promise<void> {
    let lastId: string | undefined
    while (!this.#isOver) {
      const headers: Record<string, string> = lastId === undefined ? {} : { 'last-event-id': lastId }
      const client = await StreamClient.open(this.#url, headers).catch(() => undefined)
      this.#client = client
      if (client) {
        await this.#read(client, lastId !== undefined)
        lastId = client.lastId ?? lastId
      }
      await delay(RECONNECT_MS)
    }
  }

  async #read(client: StreamClient, isResumed: boolean): Promise<void> {
    for (let taken = 0; !this.#isOver; await delay(POLL_MS)) {
      const { isOpen } = client
      const news = client.events.slice(taken)
      if (taken === 0 && news[0] && isResumed) this.resumedWith.push(news[0].event)
      taken += news.length
      for (const each of news) this.#take(each.event, each.data)
      if (!isOpen && news.length === 0) return
    }
  }

  #take(event: string, data: Record<string, unknown>): void {
    if (event === 'snapshot') {
      this.#seen = []
      this.snapshotAt = new Date()
    } else if (data['sequence'] !== undefined)
      this.#seen.push({
        event_id: String(data['id']),
        order_id: String(data['subject']).replace('orders/', ''),
        sequence: Number(data['sequence']),
      })
  }
}

/**
 * Keeps a stream open at each API during `work`, then waits until each has the events of a new
 * order, and compares it with the outbox.
 * @returns the failures of `work`, and events that a stream has missed, repeated or reordered
 */
export async function whileStreaming(
  { cluster, clients, postgres, menu }: TestBed,
  work: () => Promise<string[]>,
  mustRestart: boolean,
): Promise<string[]> {
  const watches = cluster
    .of('api')
    .map(
      ({ port }) =>
        new StreamWatch(`http://127.0.0.1:${port}/api/v1/restaurants/${menu.restaurant_id}/stream`),
    )
  try {
    const areOpen = async () => watches.every(({ snapshotAt }) => snapshotAt !== undefined)
    if (!(await untilTrue(TIMEOUT_MS, areOpen))) return ['the streams did not open before the fault']
    const failures = await work()
    let placedAt = new Date()
    let last = await clients.place()
    if (!(await untilPrepared(postgres, last, TIMEOUT_MS))) return [...failures, 'no order after the fault']
    for (const watch of watches) {
      const continues = async () => {
        if (watch.seen.some(({ order_id }) => order_id === last.order_id)) return true
        // The order is in the snapshot of a stream that began after it: only a later order is news.
        const isInSnapshot = watch.snapshotAt !== undefined && watch.snapshotAt > placedAt
        if (isInSnapshot || last.order_id === undefined) {
          placedAt = new Date()
          last = await clients.place()
        }
        return false
      }
      if (!(await untilTrue(TIMEOUT_MS, continues))) failures.push('a stream did not continue')
      if (mustRestart && watch.resumedWith.some(event => event !== 'snapshot'))
        failures.push(`a resume point of another timeline was continued with ${watch.resumedWith.join()}`)
      const written = await postgres.query<{ event_id: string }>(
        `select event_id from outbox_events where restaurant_id = $1 and order_id is not null
          and created_at > $2::timestamptz + $4 * interval '1 second'
          and created_at < (select placed_at from orders where order_id = $3) - $4 * interval '1 second'`,
        [menu.restaurant_id, watch.snapshotAt, last.order_id, MARGIN_SECONDS],
      )
      const ids = watch.seen.map(({ event_id }) => event_id)
      const missed = written.filter(({ event_id }) => !ids.includes(event_id))
      if (missed.length > 0) failures.push(`a stream missed ${missed.length} of ${written.length} events`)
      if (new Set(ids).size < ids.length) failures.push('a stream repeated events')
      for (const ofOrder of Map.groupBy(watch.seen, ({ order_id }) => order_id).values())
        if (ofOrder.some(({ sequence }, index) => sequence <= (ofOrder[index - 1]?.sequence ?? 0)))
          failures.push(`a stream reordered the events of order ${ofOrder[0]?.order_id}`)
    }
    return failures
  } finally {
    for (const watch of watches) await watch.stop()
  }
}
