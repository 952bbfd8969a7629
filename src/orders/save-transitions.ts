import { integers, jsonbs, texts, timestamps, uuids } from '../db/array-params.ts'
import type { Tx } from '../db/transaction.ts'
import type { EventType } from '../events/catalogue.ts'
import { type EventOf, newEvent, type TraceContext } from '../events/event.ts'
import type { OrderFact, OrderStatus, Transition } from './order.ts'
import { countStockOuts, countTransitions } from './order-metrics.ts'

/** The event of each status that a transition can lead to. PLACED has `order.placed.v1`. */
const eventOfStatus = {
  PREPARING: 'order.status.preparing.v1',
  OUT_FOR_DELIVERY: 'order.status.out_for_delivery.v1',
  DELIVERED: 'order.status.delivered.v1',
  CANCELLED: 'order.cancelled.v1',
} as const satisfies Record<Exclude<OrderStatus, 'PLACED'>, EventType>

const eventOfFact = {
  READY: 'order.ready.v1',
  UNREADY: 'order.unready.v1',
} as const satisfies Record<OrderFact, EventType>

/** A decided transition, with the trace of the request or event that caused it. */
export interface TransitionToSave {
  transition: Transition
  /** name of the client, if it is known; null for the system */
  by: string | null
  trace: TraceContext
}

/**
 * Writes decided transitions: updates the rows of the orders and inserts one `order_transitions`
 * row each. The statement is pipelined and not awaited here. The update is guarded by the status
 * and version that were decided on; if an order has another one, because its lock was not held, the
 * transaction fails to commit.
 * @returns one event per transition, for the caller to append
 */
export function saveTransitions(tx: Tx, saves: readonly TransitionToSave[]): EventOf[] {
  if (saves.length === 0) return []
  tx.pipeline(save(tx, saves))
  tx.afterCommit(() => {
    for (const [change, group] of Map.groupBy(saves, ({ transition }) => transition.fact ?? transition.to))
      countTransitions(change, group.length)
    countStockOuts(saves.filter(({ transition }) => transition.shortages !== null).length)
  })
  return saves.map(({ transition, trace }) => eventOf(transition, trace))
}

async function save(tx: Tx, saves: readonly TransitionToSave[]): Promise<void> {
  const transitions = saves.map(({ transition }) => transition)
  const saved = await tx.execute(saveSql, [
    uuids(transitions.map(({ order }) => order.order_id)),
    uuids(transitions.map(({ order }) => order.restaurant_id)),
    texts(transitions.map(({ order }) => order.status)),
    texts(transitions.map(({ to }) => to)),
    integers(transitions.map(({ seq }) => seq)),
    texts(transitions.map(({ actor }) => actor)),
    texts(transitions.map(({ reason }) => reason)),
    jsonbs(transitions.map(({ shortages }) => shortages)),
    timestamps(transitions.map(({ order }) => new Date(order.next_ms))),
    texts(transitions.map(({ fact }) => fact)),
    texts(saves.map(({ by }) => by)),
  ])
  if (saved !== saves.length)
    throw new Error(`saved ${saved} of ${saves.length} transitions: an order was changed without its lock`)
}

function eventOf({ order, to, fact, seq, actor, reason }: Transition, trace: TraceContext): EventOf {
  if (to === 'PLACED') throw new Error('no transition leads to PLACED')
  const { order_id, restaurant_id, status: previous_status } = order
  const at = new Date(order.next_ms).toISOString()
  const step = { order_id, restaurant_id, previous_status, seq, actor, reason, at }
  return fact === null
    ? newEvent(eventOfStatus[to], { ...step, status: to }, trace)
    : newEvent(eventOfFact[fact], { ...step, status: 'PREPARING' }, trace)
}

const saveSql = `
  with step as (
    select *
    from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::jsonb[],
      $9::timestamptz[], $10::text[], $11::text[])
      as step (order_id, restaurant_id, from_status, to_status, seq, actor, reason, shortages, at, fact, by)
  ), moved as (
    update orders
    set status = step.to_status,
      version = step.seq,
      cancellation_reason = case step.to_status when 'CANCELLED' then step.reason end,
      shortages = step.shortages,
      ready_at = case step.fact when 'READY' then step.at when 'UNREADY' then null else orders.ready_at end,
      updated_at = step.at
    from step
    where orders.order_id = any(array(select order_id from step))
      and orders.order_id = step.order_id
      and orders.restaurant_id = step.restaurant_id
      and orders.status = step.from_status
      and orders.version = step.seq - 1
    returning step.*
  )
  insert into order_transitions (order_id, restaurant_id, seq, from_status, to_status, fact, reason, actor, by, at)
  select order_id, restaurant_id, seq, from_status, to_status, fact, reason, actor, by, at
  from moved
`
