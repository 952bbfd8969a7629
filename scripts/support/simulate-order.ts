import { setTimeout as delay } from 'node:timers/promises'
import type { OrderReply } from '../../src/orders/order-contract.ts'
import { type Api, ApiProblem, ApiUnreachable } from './api.ts'
import type { CallLimit } from './call-limit.ts'
import type { OrderPlan } from './plan-order.ts'
import type { SimulationStats, Timing } from './simulation-stats.ts'

/** What every order of a simulation shares. */
export interface Evening {
  api: Api
  calls: CallLimit
  tally: SimulationStats
  /** once aborted, no further call is begun */
  signal: AbortSignal
}

const FIRST_LOOK_MS = 20
const MAX_LOOK_MS = 1_000
/** An order that is PLACED for longer than this is watched no more. */
const PREPARE_TIMEOUT_MS = 30_000

/**
 * Takes one order from the customer's wish to its end. A call that fails ends it where it is.
 * @param dueAt when the customer came, on the clock of `performance.now()`: placing is timed from
 * there
 * @throws never for what the API answers or for a stop; it is in the tally
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

/** @returns the id of the order, or undefined when it was not accepted */
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
  // The customer calls while the courier rings: one of them wins, the other is told with 409.
  if (plan.fate === 'CANCELLED_AT_DOOR') await both(delivery, cancelNow())
  else await delivery
}

/** Waits for both, also when one fails. */
async function both(...calls: Promise<void>[]): Promise<void> {
  await Promise.allSettled(calls)
  await Promise.all(calls)
}

/** @returns false when the order ended out of stock, or is watched no more */
async function untilPreparing(evening: Evening, orderId: string): Promise<boolean> {
  const { tally } = evening
  const deadline = performance.now() + PREPARE_TIMEOUT_MS
  for (let pause = FIRST_LOOK_MS; ; pause = Math.min(2 * pause, MAX_LOOK_MS)) {
    await wait(evening, pause)
    const order = await look(evening, orderId)
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

/** A look that fails is no reason to lose sight of the order: the next one comes. */
async function look(evening: Evening, orderId: string): Promise<OrderReply | undefined> {
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

/** By the order's own timeline, so that how often it was looked at does not matter. */
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
 * Times a call from when it was wanted, the wait for its turn included. Only calls that were
 * answered count.
 */
async function timed<Reply>(
  { calls, signal, tally }: Evening,
  timing: Timing,
  call: () => Promise<Reply>,
  wantedAt = performance.now(),
): Promise<Reply> {
  const record = () => tally.latencies[timing].record(performance.now() - wantedAt)
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
