import type { NewOrder } from './api.ts'
import { inventOrder, type Menu } from './invent-order.ts'
import type { SeededRandom } from './seeded-random.ts'

/** How an order is meant to end. Stock that is short ends it earlier. */
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
  /** why the customer cancels, in case */
  reason: string
}

/** How long an order is in the kitchen and on the road on average, each. */
export interface Pace {
  meanStageMs: number
}

/** Longest stage, as a multiple of the mean. */
export const LONGEST_STAGE = 1.5
const SHORTEST_STAGE = 0.5

/** Of a hundred orders. The rest is delivered. */
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

/** What becomes of the next order. Pure: the same numbers give the same plan. */
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
