import { setTimeout as delay } from 'node:timers/promises'
import { Latencies } from '../../scripts/support/latencies.ts'
import { plainTable } from '../../scripts/support/plain-table.ts'
import type { Menu } from '../support/pipeline.ts'
import { addMenu } from './add-menu.ts'
import { ALL } from './bench.ts'
import { BenchSystem } from './bench-system.ts'
import { type CommittedEvent, findWebhookFailures } from './find-webhook-failures.ts'
import { OrderLoad } from './order-load.ts'
import { VerifyingReceiver } from './verifying-receiver.ts'

const RECEIVER_COUNT = 20
/** Placed, stock deducted, preparing. */
const EVENTS_PER_ORDER = 3
const DELIVERIES_PER_ORDER = RECEIVER_COUNT * EVENTS_PER_ORDER
/** Orders of the backlog whose drain is the capacity. */
const BACKLOG_ORDERS = 200
/** Orders that warm up all processes first. */
const WARM_UP_ORDERS = 50
const FACTORS = [0.5, 1, 2]
const QUEUE = 'downstream.deliver'
const POLL_MS = 50
const PLACE_PER_SECOND = 20
/** Share of a drain that counts: it begins before, and ends after, all endpoints are busy. */
const COUNTED = [0.1, 0.9] as const

export interface WebhookCapacity {
  /** deliveries sent per second from a backlog, without any other load */
  perSecond: number
  loads: WebhookLoad[]
  /** lost events and violated invariants, one line each */
  failures: string[]
}

interface WebhookLoad {
  /** the load, as a multiple of the capacity */
  factor: number
  /** deliveries that the placed orders lead to, per second */
  askedPerSecond: number
  sentPerSecond: number
  /** from the commit of an event to its arrival */
  p50Ms: number
  p99Ms: number
  /** deliveries that were pending when the last order was placed */
  backlog: number
  /** from the last order until everything had arrived */
  drainMs: number
}

/** Measures what the machine can deliver, and then loads it with half, all and twice of that. */
export async function measureWebhookCapacity(
  seconds: number,
  onProgress: (line: string) => void,
): Promise<WebhookCapacity> {
  const receivers: VerifyingReceiver[] = []
  for (let count = 0; count < RECEIVER_COUNT; count++) receivers.push(await VerifyingReceiver.start('good'))
  const received = () => receivers.reduce((sum, { arrivals }) => sum + arrivals.size, 0)
  const system = await BenchSystem.create({ env: { WEBHOOK_ALLOW_PRIVATE: 'true' } })
  try {
    const menu = await addMenu(system)
    for (const receiver of receivers) {
      const { secret } = await system.api.addWebhook({ url: receiver.url, description: receiver.behaviour })
      receiver.trust(secret)
    }
    await system.run(ALL)
    const bench = new CapacityBench(system, menu, receivers, received)
    await bench.place(WARM_UP_ORDERS, PLACE_PER_SECOND)
    await bench.untilReceived()
    const perSecond = await bench.drainBacklog()
    onProgress(`capacity: ${Math.round(perSecond)} deliveries/s`)
    const loads: WebhookLoad[] = []
    for (const factor of FACTORS) {
      loads.push(await bench.load(factor, perSecond, seconds))
      onProgress(`${factor} × capacity: ${Math.round(loads.at(-1)?.sentPerSecond ?? 0)} deliveries/s`)
    }
    await bench.untilRecorded()
    const events = await system.query<CommittedEvent>(committedSql)
    const expected = bench.orders * EVENTS_PER_ORDER
    return { perSecond, loads, failures: await findWebhookFailures(system, receivers, events, expected) }
  } finally {
    await system.destroy()
    for (const receiver of receivers) await receiver.stop()
  }
}

class CapacityBench {
  orders = 0
  readonly #system: BenchSystem
  readonly #menu: Menu
  readonly #receivers: readonly VerifyingReceiver[]
  readonly #received: () => number

  constructor(
    system: BenchSystem,
    menu: Menu,
    receivers: readonly VerifyingReceiver[],
    received: () => number,
  ) {
    this.#system = system
    this.#menu = menu
    this.#receivers = receivers
    this.#received = received
  }

  async place(orders: number, perSecond: number): Promise<void> {
    const load = new OrderLoad(this.#system.api, this.#menu)
    await load.placeAll(orders, perSecond)
    if (load.failures.length > 0) throw new Error(load.failures[0])
    this.orders += orders
  }

  async untilReceived(): Promise<void> {
    await this.#until(() => this.#received() >= this.orders * DELIVERIES_PER_ORDER)
  }

  async untilRecorded(): Promise<void> {
    await this.#until(async () => (await this.#pending()) === 0)
  }

  /** Pauses the deliveries, makes a backlog, and measures how fast it is sent. */
  async drainBacklog(): Promise<number> {
    await this.#setPaused(true)
    await this.place(BACKLOG_ORDERS, PLACE_PER_SECOND)
    const deliveries = BACKLOG_ORDERS * DELIVERIES_PER_ORDER
    await this.#until(async () => (await this.#pending()) >= deliveries)
    const before = this.#received()
    await this.#setPaused(false)
    const times: number[] = []
    for (const share of COUNTED) {
      await this.#until(() => this.#received() - before >= deliveries * share)
      times.push(performance.now())
    }
    await this.untilReceived()
    const [from = 0, to = 0] = times
    return (deliveries * (COUNTED[1] - COUNTED[0]) * 1_000) / (to - from)
  }

  async load(factor: number, capacity: number, seconds: number): Promise<WebhookLoad> {
    const [first] = await this.#system.query<{ at: Date }>('select clock_timestamp() as at')
    const ordersPerSecond = (factor * capacity) / DELIVERIES_PER_ORDER
    const before = this.#received()
    const startedAt = performance.now()
    await this.place(Math.ceil(ordersPerSecond * seconds), ordersPerSecond)
    const placedAt = performance.now()
    const sent = this.#received() - before
    const backlog = await this.#pending()
    await this.untilReceived()
    const drainedAt = performance.now()
    const latencies = new Latencies()
    const events = await this.#system.query<CommittedEvent>(committedSql)
    for (const { event_id, at } of events.filter(event => event.at >= (first?.at.getTime() ?? 0)))
      for (const { arrivals } of this.#receivers) {
        const arrivedAt = arrivals.get(event_id)
        if (arrivedAt !== undefined) latencies.record(arrivedAt - at)
      }
    return {
      factor,
      askedPerSecond: ordersPerSecond * DELIVERIES_PER_ORDER,
      sentPerSecond: (sent * 1_000) / (placedAt - startedAt),
      p50Ms: latencies.percentile(50),
      p99Ms: latencies.percentile(99),
      backlog,
      drainMs: drainedAt - placedAt,
    }
  }

  /** Resolves when the worker follows. */
  async #setPaused(isPaused: boolean): Promise<void> {
    await this.#system.query(
      isPaused
        ? `insert into paused_queues (queue, actor, reason) values ($1, 'bench', 'makes a backlog')`
        : 'delete from paused_queues where queue = $1',
      [QUEUE],
    )
    await this.#until(async () => {
      const rows = await this.#system.query(
        `select from process_heartbeats where role = 'worker' and stopped_at is null
          and working_on @> jsonb_build_array(jsonb_build_object('queue', $1::text)) <> $2`,
        [QUEUE, isPaused],
      )
      return rows.length > 0
    })
  }

  async #pending(): Promise<number> {
    const [row] = await this.#system.query<{ count: number }>(
      'select count(*)::integer as count from webhook_deliveries where settled_at is null',
    )
    return row?.count ?? 0
  }

  async #until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await isTrue())) await delay(POLL_MS)
  }
}

export function capacityText({ perSecond, loads }: WebhookCapacity): string {
  const number = (value: number) => Math.round(value).toLocaleString('en')
  return [
    `capacity: ${number(perSecond)} deliveries/s, from a backlog to ${RECEIVER_COUNT} endpoints`,
    '',
    plainTable(
      ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'right'],
      ['load', 'asked/s', 'sent/s', '÷ capacity', 'p50 ms', 'p99 ms', 'backlog', 'drained in s'],
      loads.map(load => [
        `${load.factor} × capacity`,
        number(load.askedPerSecond),
        number(load.sentPerSecond),
        (load.sentPerSecond / perSecond).toFixed(2),
        number(load.p50Ms),
        number(load.p99Ms),
        number(load.backlog),
        (load.drainMs / 1_000).toFixed(1),
      ]),
    ),
  ].join('\n')
}

const committedSql = `
  select event_id, (extract(epoch from pg_xact_commit_timestamp(xid::xid)) * 1000)::float8 as at
  from outbox_events
  where order_id is not null
  order by event_id
`
