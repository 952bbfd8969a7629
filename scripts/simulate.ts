import { setMaxListeners } from 'node:events'
import { Option } from '@commander-js/extra-typings'
import { loadConfig } from '../src/platform/config.ts'
import { counted } from '../src/platform/counted.ts'
import { Api, localApiUrl } from './support/api.ts'
import { CallLimit } from './support/call-limit.ts'
import { chooseMenus } from './support/choose-menus.ts'
import { baseUrl, commandLine, decimalNumber, duration, uuids, wholeNumber } from './support/command-line.ts'
import { LONGEST_STAGE, planOrder } from './support/plan-order.ts'
import { poissonArrivals, runArrivals } from './support/poisson-arrivals.ts'
import { runScript } from './support/run-script.ts'
import { SeededRandom } from './support/seeded-random.ts'
import { type Evening, simulateOrder } from './support/simulate-order.ts'
import { describeNow, summarize } from './support/simulation-report.ts'
import { SimulationStats } from './support/simulation-stats.ts'
import { showStatus } from './support/status-line.ts'

/**
 * Simulates a busy evening at restaurants. Customers arrive at random, independently of each other.
 * Orders are prepared and delivered, some are cancelled at each stage, and one dish of each menu
 * runs out of stock.
 */

const MAX_RATE = 1_000
const MIN_DURATION_MS = 100
const MAX_DURATION_MS = 3_600_000
const MAX_SEED = 1_000_000_000
/** Concurrent calls of the API. */
const MAX_CALL_COUNT = 128
/**
 * Open orders in memory. Customers who arrive while the limit is reached are counted as turned
 * away.
 */
const MAX_OPEN_ORDER_COUNT = 20_000
/** Time that an order spends in the kitchen, and again on the road, as a share of the evening. */
const STAGE_SHARE = 0.1
const MAX_MEAN_STAGE_MS = 4_000
/** Time after the last arrival, in addition to two stages, after which the simulation stops. */
const CLOSING_GRACE_MS = 20_000
/** The terminal and npm both send SIGINT on one Ctrl-C: signals within this time count as one. */
const REPEAT_MS = 1_000

await runScript(async () => {
  const config = loadConfig()
  const options = commandLine(
    'npm run simulate --',
    'Places, delivers and cancels orders like a busy evening, on a running API.\nExits with 1 when a call gets 5xx or no response. Ctrl-C ends it early.',
    'npm run simulate -- --rate 50 --for 2m',
  )
    .option('--rate <N>', 'orders per second, on average', decimalNumber(0.1, MAX_RATE), 20)
    .addOption(
      new Option('--for <TIME>', 'how long customers arrive')
        .argParser(duration(MIN_DURATION_MS, MAX_DURATION_MS))
        .default(60_000, '60s'),
    )
    .option('--seed <N>', 'determines customers, orders and cancellations', wholeNumber(0, MAX_SEED), 1)
    .addOption(
      new Option('--item <ID>', 'order this menu item instead of new ones; may be repeated').argParser<
        string[] | undefined
      >(uuids),
    )
    .addOption(
      new Option(
        '--restaurant <ID>',
        'order at this restaurant, which gets a new menu unless an --item belongs to it; may be repeated',
      ).argParser<string[] | undefined>(uuids),
    )
    .option('--url <URL>', 'address of the API', baseUrl, localApiUrl(config))
    .parse()
    .opts()
  const { rate, for: durationMs, seed, item = [], restaurant = [], url } = options
  const api = new Api(url, config.API_TOKEN)
  await api.checkReady()
  const menus = await chooseMenus(api, {
    seed,
    item,
    restaurant,
    expectedOrderCount: (rate * durationMs) / 1_000,
  })
  console.error(
    `${counted(rate, 'order')} per second for ${durationMs / 1_000} s at ${counted(menus.length, 'restaurant')} of ${url}, seed ${seed}`,
  )

  const stop = stopOnSignal()
  const tally = new SimulationStats()
  const start = performance.now()
  const endStatus = showStatus(process.stderr, () =>
    describeNow(tally, performance.now() - start, durationMs),
  )
  await spendEvening(
    { api, calls: new CallLimit(MAX_CALL_COUNT), tally, signal: stop.signal },
    { menus, rate, durationMs, seed },
    stop,
  )
  endStatus()
  console.log(`\n${summarize(tally)}`)
  return tally.failureCount > 0 ? 1 : 0
})

/** Returns a controller that the first Ctrl-C aborts. The next one ends the process at once. */
function stopOnSignal(): AbortController {
  const stop = new AbortController()
  setMaxListeners(0, stop.signal)
  let stoppingSince: number | undefined
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      stoppingSince ??= performance.now()
      if (performance.now() - stoppingSince > REPEAT_MS) process.exit(1)
      stop.abort()
    })
  }
  return stop
}

interface EveningPlan {
  menus: Awaited<ReturnType<typeof chooseMenus>>
  rate: number
  durationMs: number
  seed: number
}

/**
 * Starts an order per arrival until the time is over, then waits for open orders, up to a timeout.
 */
async function spendEvening(
  evening: Evening,
  { menus, rate, durationMs, seed }: EveningPlan,
  stop: AbortController,
): Promise<void> {
  const { tally, signal } = evening
  const pace = { meanStageMs: Math.min(MAX_MEAN_STAGE_MS, durationMs * STAGE_SHARE) }
  const random = new SeededRandom(seed, 'orders')
  const open = new Set<Promise<void>>()
  const arrivals = poissonArrivals(new SeededRandom(seed, 'arrivals'), rate, durationMs)
  await runArrivals(arrivals, signal, dueAt => {
    tally.arrived++
    const plan = planOrder(random, menus, pace)
    if (open.size >= MAX_OPEN_ORDER_COUNT) {
      tally.turnedAway++
      return
    }
    const life = simulateOrder(evening, plan, dueAt).finally(() => open.delete(life))
    open.add(life)
  })
  const longestMs = 2 * LONGEST_STAGE * pace.meanStageMs + CLOSING_GRACE_MS
  const closing = setTimeout(() => stop.abort(), longestMs)
  await Promise.all(open)
  clearTimeout(closing)
}
