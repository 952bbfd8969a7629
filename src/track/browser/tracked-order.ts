type OrderStatus = 'PLACED' | 'PREPARING' | 'OUT_FOR_DELIVERY' | 'DELIVERED' | 'CANCELLED'

/** What the server sends to the customer of an order. */
export interface TrackedOrder {
  order_id: string
  code: string
  restaurant_name: string
  total_amount: string
  currency: string
  items: readonly { name: string; price: string; quantity: number }[]
  /** oldest first; the last one has the current status */
  steps: readonly TrackedStep[]
}

export interface TrackedStep {
  seq: number
  status: OrderStatus
  fact: 'READY' | 'UNREADY' | null
  /** of a cancellation for insufficient stock */
  reason: 'OUT_OF_STOCK' | null
  at: string
}

/** Adds a step. Pure; repeated steps change nothing. */
export function withStep(order: TrackedOrder, step: TrackedStep): TrackedOrder {
  const last = order.steps.at(-1)?.seq ?? 0
  return step.seq > last ? { ...order, steps: [...order.steps, step] } : order
}

/** A stage that customers know. */
export interface Stage {
  name: 'PLACED' | 'PREPARING' | 'READY' | 'OUT_FOR_DELIVERY' | 'DELIVERED' | 'CANCELLED'
  /** since when; undefined: not yet */
  at: string | undefined
}

/**
 * Returns the stages of an order: those that it has reached, then those ahead, of which a cancelled
 * order has none. Readiness that was taken back, or was never stated, has no stage once the
 * order has left the kitchen.
 */
export function stagesOf({ steps }: TrackedOrder): Stage[] {
  const at = (status: OrderStatus) => steps.find(step => step.status === status && step.fact === null)?.at
  const lastFact = steps.findLast(({ fact }) => fact !== null)
  const ready = lastFact?.fact === 'READY' ? lastFact.at : undefined
  const stages: Stage[] = [
    { name: 'PLACED', at: at('PLACED') },
    { name: 'PREPARING', at: at('PREPARING') },
    { name: 'READY', at: ready },
    { name: 'OUT_FOR_DELIVERY', at: at('OUT_FOR_DELIVERY') },
    { name: 'DELIVERED', at: at('DELIVERED') },
  ]
  const cancelled: Stage = { name: 'CANCELLED', at: at('CANCELLED') }
  if (cancelled.at !== undefined) return [...stages.filter(stage => stage.at !== undefined), cancelled]
  const reached = stages.findLastIndex(stage => stage.at !== undefined)
  return stages.filter((stage, index) => stage.at !== undefined || index > reached)
}

/** Returns whether nothing can follow. */
export function isOver({ steps }: TrackedOrder): boolean {
  const status = steps.at(-1)?.status
  return status === 'DELIVERED' || status === 'CANCELLED'
}
