import { setTimeout as delay } from 'node:timers/promises'
import type { OrderReply } from '../../src/orders/order-contract.ts'
import { type Api, ApiProblem, ApiUnreachable } from './api.ts'
import type { CallLimit } from './call-limit.ts'
import type { OrderPlan } from './plan-order.ts'
import type { SimulationStats, Timing } from './simulation-stats.ts'

/** What all orders of a simulation share. */
export interface Evening {
  api: Api
  calls: CallLimit
  tally: SimulationStats
  /** no call starts after it is aborted */
  signal: AbortSignal
}

const FIRST_POLL_MS = 20
const MAX_POLL_MS = 1_000
/** Time after which an order that is still PLACED is no longer polled. */
const PREPARE_TIMEOUT_MS = 30_000

/**
 * Places one order and moves it to its planned end. A failed call leaves the order where it is.
 * @param dueAt arrival of the customer on the clock of `performance.now()`; the latency of
 *   placement counts from there
 * @throws never for responses of the API or an abort, which are counted in `tally`
 */
export async function simulateOrder(evening: Evening, plan: OrderPlan, dueAt: number): Promise<void> {
  try {
    const orderId = await place(evening, plan, dueAt)
    if (orderId) await goOn(evening, orderId, plan)
  } catch (error) {
    if (!isAnswerOrStop(evening, error)) throw error
  }
}

function isAnswerOrStop({ signal }: Evening, error: unknown): boolean {
  return error instanceof ApiProblem || error instanceof ApiUnreachable || signal.aborted
}

/** Returns the id of the order, or undefined if it was not accepted. */
async function place(evening: Evening, { order }: OrderPlan, dueAt: number): Promise<string | undefined> {
  const { api, tally, signal } = evening
  try {
    const placed = await timed(evening, 'POST /orders', () => api.placeOrder(order), dueAt)
    tally.accepted++
    tally.see(placed)
    return placed.order_id
  } catch (error) {
    if (error instanceof ApiProblem || error instanceof ApiUnreachable) tally.notAccepted++
    else if (signal.aborted) tally.cutOff++
    else throw error
    return undefined
  }
}

async function goOn(evening: Evening, orderId: string, plan: OrderPlan): Promise<void> {
  const cancelNow = () => cancel(evening, orderId, plan.reason)
  if (plan.fate === 'CANCELLED_AT_ONCE') return await cancelNow()
  if (!(await untilPreparing(evening, orderId))) return

  await wait(evening, plan.kitchenMs)
  if (plan.fate === 'CANCELLED_IN_KITCHEN') return await cancelNow()
  await advance(evening, orderId, 'OUT_FOR_DELIVERY')

  await wait(evening, plan.roadMs)
  if (plan.fate === 'CANCELLED_ON_ROAD') return await cancelNow()
  const delivery = advance(evening, orderId, 'DELIVERED')
  // The customer cancels while the courier delivers: one of the two calls wins, the other gets 409.
  if (plan.fate === 'CANCELLED_AT_DOOR') await both(delivery, cancelNow())
  else await delivery
}

/** Waits for both calls, also when one fails. */
async function both(...calls: Promise<void>[]): Promise<void> {
  await Promise.allSettled(calls)
  await Promise.all(calls)
}

/** Returns false when the order ended out of stock, or is no longer polled. */
async function untilPreparing(evening: Evening, orderId: string): Promise<boolean> {
  const { tally } = evening
  const deadline = performance.now() + PREPARE_TIMEOUT_MS
  for (let pause = FIRST_POLL_MS; ; pause = Math.min(2 * pause, MAX_POLL_MS)) {
    await wait(evening, pause)
    const order = await poll(evening, orderId)
    if (order && order.status !== 'PLACED') {
      const ms = preparationMs(order)
      if (ms !== undefined) tally.latencies['PLACED → PREPARING'].record(ms)
      return order.status === 'PREPARING'
    }
    if (performance.now() > deadline) {
      tally.gaveUp++
      return false
    }
  }
}

/** Reads the order. A failed read is counted; the next poll repeats it. */
async function poll(evening: Evening, orderId: string): Promise<OrderReply | undefined> {
  const { api, tally } = evening
  try {
    const order = await timed(evening, 'GET /orders/{id}', () => api.readOrder(orderId))
    tally.see(order)
    return order
  } catch (error) {
    if (error instanceof ApiProblem || error instanceof ApiUnreachable) return undefined
    throw error
  }
}

/**
 * Returns the preparation time from the timeline of the order, which does not depend on the polling
 * interval.
 */
function preparationMs({ timeline }: OrderReply): number | undefined {
  const [placed, next] = timeline
  return placed && next?.to_status === 'PREPARING' ? Date.parse(next.at) - Date.parse(placed.at) : undefined
}

async function advance(
  evening: Evening,
  orderId: string,
  status: 'OUT_FOR_DELIVERY' | 'DELIVERED',
): Promise<void> {
  const { api, tally } = evening
  tally.see(await timed(evening, 'PATCH /orders/{id}/status', () => api.changeStatus(orderId, status)))
}

async function cancel(evening: Evening, orderId: string, reason: string): Promise<void> {
  const { api, tally } = evening
  tally.see(await timed(evening, 'POST /orders/{id}/cancel', () => api.cancelOrder(orderId, reason)))
}

/**
 * Measures a call from when it was due, including the wait for its slot. Only calls that got a
 * response count.
 */
async function timed<Reply>(
  { calls, signal, tally }: Evening,
  timing: Timing,
  call: () => Promise<Reply>,
  dueAt = performance.now(),
): Promise<Reply> {
  const record = () => tally.latencies[timing].record(performance.now() - dueAt)
  try {
    const reply = await calls.run(signal, call)
    record()
    return reply
  } catch (error) {
    if (error instanceof ApiProblem) record()
    if (error instanceof ApiProblem || error instanceof ApiUnreachable) tally.addTrouble(error)
    throw error
  }
}

async function wait({ signal }: Evening, ms: number): Promise<void> {
  await delay(ms, undefined, { signal })
}
