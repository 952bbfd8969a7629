import type { PgBoss } from 'pg-boss'
import type { Agent } from 'undici'
import type { Database } from '../../db/database.ts'
import type { Listener } from '../../db/listener.ts'
import { countRetries } from '../../jobs/job-metrics.ts'
import { DELIVERY_QUEUE, deliveryQueue } from '../../jobs/queues.ts'
import type { Logger } from '../../platform/log.ts'
import { PollLoop } from '../../platform/poll-loop.ts'
import { DELIVERIES_CHANNEL, SWEEP } from '../fan-out.ts'
import { validateWebhookUrl } from '../webhook-url.ts'
import { decideOutcome } from './decide-outcome.ts'
import { enqueueReady, releaseRooms, returnJobs } from './enqueue-ready.ts'
import { type Held, InFlightDeliveries } from './in-flight-deliveries.ts'
import { bodyOf, discardReason, loadDeliveries, type TakenJob } from './load-deliveries.ts'
import { logAttempt } from './log-attempt.ts'
import { type HeldOutcome, OutcomeBatcher } from './outcome-batcher.ts'
import { sendDelivery, unsent } from './send.ts'
import { ssrfGuardedAgent } from './ssrf-guard.ts'
import { StalledSweeper } from './stalled-sweeper.ts'
import { traceAttempt } from './trace-attempt.ts'

export interface DeliveryWorkerOptions {
  database: Database
  boss: PgBoss
  /** where events say that they come from */
  publicUrl: string
  /** development: webhooks may lead to private addresses, and over plain `http` */
  allowPrivate: boolean
  /** waits after each failed attempt */
  retrySeconds: readonly number[]
  log: Logger
}

const TAKE_COUNT = 200
/** Requests under way to one webhook, of this process. */
const CONCURRENCY_COUNT = 10
/** The safety net: how long a job may wait when its wake-up is lost. */
const POLL_MS = 1_000
/** Jobs that are held are said to be, well within the queue's heartbeat. */
const TOUCH_MS = 3_000
/** A job that could not be touched for so long may be another worker's by now: it is let go, unsent. */
const STALE_MS = deliveryQueue.heartbeatSeconds * 1_000 - 1_000

/**
 * Sends deliveries to webhooks: those of an order and webhook one after the other, a few at once to each webhook, and none waits for
 * another webhook's. Jobs stay this worker's while it holds them; whatever it dies with goes to others 10 s later.
 *
 * Each delivery is settled in one transaction with its attempt and its job, many at a time. A delivery whose turn has not come, or
 * that there is no room for, gives its job back and is given one when it may go: the queue never fills up with what cannot be sent.
 */
export class DeliveryWorker {
  readonly #options: DeliveryWorkerOptions
  readonly #hands = new InFlightDeliveries(CONCURRENCY_COUNT)
  readonly #settler: OutcomeBatcher
  readonly #sweeper: StalledSweeper
  readonly #takeLoop: PollLoop
  readonly #touchLoop: PollLoop
  #agent: Agent | undefined
  #listener: Listener | undefined
  #stopSignal = new AbortController()
  #isStarted = false
  #stopped: Promise<void> | undefined
  #stopping = false

  constructor(options: DeliveryWorkerOptions) {
    this.#options = options
    const { log } = options
    const isStopping = () => this.#stopping
    this.#sweeper = new StalledSweeper(options)
    this.#takeLoop = new PollLoop({
      run: async () => (await this.#take()) === TAKE_COUNT,
      intervalMs: POLL_MS,
      onError: error =>
        log.error({ error: String(error) }, 'deliveries could not be taken; it will be tried again'),
    })
    this.#touchLoop = new PollLoop({
      run: () => this.#touch(),
      intervalMs: TOUCH_MS,
      onError: error => log.warn({ error: String(error) }, 'jobs of deliveries could not be held'),
    })
    this.#settler = new OutcomeBatcher({
      ...options,
      isStopping,
      roomsAfter: batch => this.#roomsAfter(batch),
      afterwards: batch => this.#afterwards(batch),
    })
  }

  async start(): Promise<void> {
    const { database, allowPrivate } = this.#options
    await this.#stopped
    this.#stopping = false
    this.#stopSignal = new AbortController()
    this.#agent = ssrfGuardedAgent({ allowPrivate, connections: CONCURRENCY_COUNT })
    const heard = (payload: string) => {
      if (payload === SWEEP) this.#sweeper.wake()
      this.#takeLoop.wake()
    }
    this.#listener = await database.listen(DELIVERIES_CHANNEL, heard, () => heard(SWEEP))
    this.#touchLoop.start(TOUCH_MS)
    this.#sweeper.start()
    this.#takeLoop.start()
    this.#isStarted = true
  }

  /** Whether it takes jobs, be there any or not. */
  isTaking(): boolean {
    return this.#isStarted && !this.#stopping
  }

  /** Deliveries that this process holds the jobs of. */
  inHand(): number {
    return this.#hands.size
  }

  /** Lets what is under way end, for at most `timeoutMs`, and gives the rest back, untried. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopped ??= this.#stop(timeoutMs).finally(() => {
      this.#stopped = undefined
    })
    await this.#stopped
  }

  async #stop(timeoutMs: number): Promise<void> {
    if (!this.#isStarted) return
    const { database, log } = this.#options
    this.#stopping = true
    const stopped = Promise.all([this.#takeLoop.stop(), this.#sweeper.stop()])
    await this.#listener?.close()
    await stopped
    const timer = setTimeout(() => this.#stopSignal.abort(), timeoutMs)
    await this.#hands.untilIdle()
    clearTimeout(timer)
    await this.#settler.untilIdle()
    await this.#touchLoop.stop()
    try {
      await returnJobs(
        database,
        this.#hands.clear().map(({ job }) => job),
      )
    } catch (error) {
      log.warn(
        { error: String(error) },
        'jobs of deliveries could not be given back; they go to others in a moment',
      )
    }
    await this.#agent?.destroy()
    this.#isStarted = false
  }

  /** @returns jobs taken */
  async #take(): Promise<number> {
    const { database, boss } = this.#options
    const batchSize = Math.min(TAKE_COUNT, this.#hands.room)
    if (batchSize <= 0) return 0
    const jobs = (await boss.fetch(DELIVERY_QUEUE, { batchSize })) as TakenJob[]
    if (jobs.length === 0) return 0
    const since = performance.now()
    countRetries(DELIVERY_QUEUE, jobs.filter(({ retryCount }) => retryCount > 0).length)
    const deliveries = await loadDeliveries(database, jobs)
    // Ids rise with time: an order's deliveries come in their order.
    for (const job of jobs.toSorted((a, b) => (a.data.delivery_id < b.data.delivery_id ? -1 : 1))) {
      const delivery = deliveries.get(job.data.delivery_id)
      const isCurrent =
        delivery &&
        (delivery.state === 'QUEUED'
          ? delivery.job_id === job.id
          : delivery.state === 'DEAD' && delivery.job_id !== job.id)
      const reason = isCurrent ? discardReason(delivery) : undefined
      if (!isCurrent) this.#settler.settle({ job, verdict: { state: 'NOTHING' } })
      else if (reason !== undefined) this.#settler.settle({ job, verdict: { state: 'DISCARDED', reason } })
      else {
        const state = this.#hands.take({ job, delivery, since })
        if (state !== 'HELD') this.#settler.settle({ job, verdict: { state } })
      }
    }
    this.#pump()
    return jobs.length
  }

  /** Sends whatever may be sent. */
  #pump(): void {
    while (!this.#stopping) {
      const held = this.#hands.next()
      if (!held) return
      if (performance.now() - held.since > STALE_MS) this.#hands.drop(held)
      else void this.#attempt(held)
    }
  }

  async #attempt(held: Held): Promise<void> {
    const { job, delivery } = held
    const { publicUrl, allowPrivate, retrySeconds, log } = this.#options
    const { delivery_id, url, secrets } = delivery
    const trouble = validateWebhookUrl(url, allowPrivate)
    const traced = traceAttempt(held)
    const { traceparent } = traced
    const envelope = { delivery_id, url, secrets, body: bodyOf(delivery, publicUrl), traceparent }
    const sent =
      trouble === undefined && this.#agent
        ? await sendDelivery(this.#agent, envelope, this.#stopSignal.signal)
        : unsent(`the URL ${trouble}`)
    traced.end(sent)
    this.#hands.answered(held)
    // Broken off by us: nobody's failure, and given back.
    if (sent.status !== null || !this.#stopSignal.signal.aborted) {
      const verdict = decideOutcome(held, sent, retrySeconds, Math.random())
      logAttempt(held, sent, verdict, log)
      this.#settler.settle({ job, verdict, sent, held })
    }
    this.#pump()
  }

  async #afterwards(batch: readonly HeldOutcome[]): Promise<void> {
    const { database, boss } = this.#options
    for (const { held, verdict } of batch) {
      if (!held) continue
      const isSettled = verdict.state !== 'RETRY'
      for (const { job } of this.#hands.settled(held, isSettled))
        this.#settler.settle({ job, verdict: { state: 'AWAITS_TURN' } })
    }
    this.#pump()
    if (this.#hands.room > 0) this.#wakeWhenShort(batch.length)
    // Whoever made room, or settled what they wait for, may not have seen them wait.
    const turns = batch.filter(({ verdict }) => verdict.state === 'AWAITS_TURN')
    const ids = turns.map(({ job }) => job.data.delivery_id)
    if (ids.length > 0) await database.transaction(tx => enqueueReady(tx, boss, ids))
    const rooms = new Map<string, number>()
    for (const { job, verdict } of batch) {
      const { webhook_id } = job.data
      const room = verdict.state === 'AWAITS_ROOM' ? this.#hands.roomFor(webhook_id) : 0
      if (room > 0) rooms.set(webhook_id, room)
    }
    if (rooms.size > 0) await database.transaction(tx => releaseRooms(tx, boss, rooms))
  }

  /** How many more of each webhook may have a job when these have ended. */
  #roomsAfter(batch: readonly HeldOutcome[]): Map<string, number> {
    const rooms = new Map<string, number>()
    for (const { job, sent } of batch) {
      const { webhook_id } = job.data
      if (sent) rooms.set(webhook_id, (rooms.get(webhook_id) ?? this.#hands.roomFor(webhook_id)) + 1)
    }
    return rooms
  }

  /** With full hands nothing was taken: now there is room. */
  #wakeWhenShort(freed: number): void {
    if (this.#hands.room <= freed) this.#takeLoop.wake()
  }

  async #touch(): Promise<void> {
    const held = this.#hands.all()
    if (held.length === 0) return
    const since = performance.now()
    const touched = await this.#options.boss.touch(
      DELIVERY_QUEUE,
      held.map(({ job }) => job as never),
    )
    const { settled } = touched as { settled?: string[] }
    const ours = new Set(settled ?? held.map(({ job }) => job.id))
    for (const each of held) if (ours.has(each.job.id)) each.since = since
  }
}
