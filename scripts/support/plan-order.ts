import type { NewOrder } from './api.ts'
import { inventOrder, type Menu } from './invent-order.ts'
import type { SeededRandom } from './seeded-random.ts'

/** The planned end of an order. Insufficient stock ends an order earlier. */
type Fate =
  | 'DELIVERED'
  | 'CANCELLED_AT_ONCE'
  | 'CANCELLED_IN_KITCHEN'
  | 'CANCELLED_ON_ROAD'
  | 'CANCELLED_AT_DOOR'

export interface OrderPlan {
  order: NewOrder
  fate: Fate
  kitchenMs: number
  roadMs: number
  /** reason of the customer, if the order is cancelled */
  reason: string
}

/** Mean time of an order in the kitchen, and again on the road. */
export interface Pace {
  meanStageMs: number
}

/** Maximum length of a stage, as a multiple of the mean. */
export const LONGEST_STAGE = 1.5
const SHORTEST_STAGE = 0.5

/** Percentages of all orders. The other orders are delivered. */
const fatesPercent: readonly [Fate, number][] = [
  ['CANCELLED_AT_ONCE', 3],
  ['CANCELLED_IN_KITCHEN', 4],
  ['CANCELLED_ON_ROAD', 2],
  ['CANCELLED_AT_DOOR', 1],
]

const reasons = [
  'ordered by mistake',
  'takes too long',
  'changed my mind',
  'wrong address',
  'found something else',
]

/** Returns the plan of the next order. Pure: the same random numbers give the same plan. */
export function planOrder(random: SeededRandom, menus: readonly Menu[], { meanStageMs }: Pace): OrderPlan {
  return {
    order: inventOrder(random, menus),
    fate: drawFate(random.between(0, 100)),
    kitchenMs: random.between(SHORTEST_STAGE, LONGEST_STAGE) * meanStageMs,
    roadMs: random.between(SHORTEST_STAGE, LONGEST_STAGE) * meanStageMs,
    reason: random.pick(reasons),
  }
}

function drawFate(percent: number): Fate {
  let upTo = 0
  for (const [fate, share] of fatesPercent) {
    upTo += share
    if (percent < upTo) return fate
  }
  return 'DELIVERED'
}
