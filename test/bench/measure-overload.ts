import { type Bench, type Figures, orderBodies, startIdle } from './bench.ts'
import { closedLoop } from './closed-loop.ts'
import { flood } from './flood.ts'
import { openLoop } from './open-loop.ts'
import { processedBetween } from './processed-between.ts'

const CONNECTION_COUNT = 4_800
/**
 * The flood lasts three times as long as another load, because opening its connections takes a
 * while.
 */
const LENGTH_FACTOR = 3
/** Maximum of orders that the API queues or processes at once. */
const QUEUED_COUNT = 2_500
/** Offered load as a multiple of what the whole system sustains. */
const OVERLOAD_FACTOR = 3
const RATE_AFTERWARDS = 100

/**
 * Offers three times what the whole system sustains. First measures the sustained rate and the peak
 * of placement beside it, then the flood, over so many connections that most orders are refused,
 * then a small load right after it. All orders are for the same item.
 */
export async function overload(bench: Bench): Promise<Figures> {
  const peakSince = await startIdle(bench)
  const { baseUrl } = bench.system.api
  const load = { baseUrl, bodies: orderBodies(bench.menu).slice(0, 1), seconds: bench.seconds }
  const peak = await closedLoop({ ...load, connections: 128 })
  const sustained = await processedBetween(bench, peakSince, new Date())
  const floodSince = new Date()
  // A connection whose order is queued sends nothing, so the others must offer what exceeds the
  // peak.
  const excess = OVERLOAD_FACTOR * sustained.perSecond - peak.perSecond
  const ratePerConnection = excess / (CONNECTION_COUNT - QUEUED_COUNT)
  const flooded = await flood({
    ...load,
    connections: CONNECTION_COUNT,
    seconds: LENGTH_FACTOR * bench.seconds,
    rate: ratePerConnection * CONNECTION_COUNT,
  })
  const floodUntil = new Date()
  const after = await openLoop({ ...load, connections: 8, rate: RATE_AFTERWARDS })
  const processed = await processedBetween(bench, floodSince, floodUntil)
  const peakMb = bench.system.peakOf('api')
  // The scenario `memory` must not include the API's memory under overload.
  await bench.system.run([])
  bench.system.forgetPeaks()
  return {
    'peak placed orders/s': peak.perSecond,
    'sustained orders/s': sustained.perSecond,
    'offered ÷ sustained': flooded.offeredPerSecond / sustained.perSecond,
    'placed orders/s': flooded.placedPerSecond,
    'processed orders/s': processed.perSecond,
    'placed p99 ms': flooded.placedP99Ms,
    'refused p50 ms': flooded.refusedP50Ms,
    errors: flooded.errors,
    'drained after s': (processed.lastAt.getTime() - floodUntil.getTime()) / 1_000,
    'p99 afterwards ms': after.p99Ms,
    'errors afterwards': after.errors,
    'API MB': peakMb,
  }
}
