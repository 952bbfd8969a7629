import { setMaxListeners } from 'node:events'
import { loadConfig } from '../src/platform/config.ts'
import { Api, localApiUrl } from './support/api.ts'
import { CallLimit } from './support/call-limit.ts'
import { chooseMenus } from './support/choose-menus.ts'
import { LONGEST_STAGE, planOrder } from './support/plan-order.ts'
import { poissonArrivals, runArrivals } from './support/poisson-arrivals.ts'
import { baseUrl, decimalNumber, duration, ids, readOptions, wholeNumber } from './support/read-options.ts'
import { runScript } from './support/run-script.ts'
import { SeededRandom } from './support/seeded-random.ts'
import { type Evening, simulateOrder } from './support/simulate-order.ts'
import { describeNow, summarize } from './support/simulation-report.ts'
import { SimulationStats } from './support/simulation-stats.ts'
import { showStatus } from './support/status-line.ts'

/**
 * A busy evening at restaurants: customers come at random moments and do not wait for each other, orders are cooked,
 * driven and delivered, some are cancelled at each stage, and one dish of each menu runs out.
 */

const MAX_RATE = 1_000
const MIN_DURATION_MS = 100
const MAX_DURATION_MS = 3_600_000
const MAX_SEED = 1_000_000_000
/** Calls at once, to the API and on the way. */
const MAX_CALL_COUNT = 128
/** Orders in memory. Customers who come while so many are open are turned away, and counted. */
const MAX_OPEN_ORDER_COUNT = 20_000
/** An order is this part of the evening in the kitchen, and again on the road, within limits. */
const STAGE_SHARE = 0.1
const MAX_MEAN_STAGE_MS = 4_000
/** After the last customer, open orders are given their two stages and this long. Then the doors close. */
const CLOSING_GRACE_MS = 20_000
/** npm passes on the Ctrl-C that the terminal has sent already: two that come so close are one. */
const REPEAT_MS = 1_000

const command = {
  name: 'npm run simulate --',
  summary:
    'Places, delivers and cancels orders like a busy evening, against a running API.\nExits with 1 when any call got a 5xx or no answer. Ctrl-C ends it early.',
  example: 'npm run simulate -- --rate 50 --for 2m',
}

await runScript(async () => {
  const config = loadConfig()
  const options = readOptions(
    command,
    {
      rate: decimalNumber('orders a second, on average', 20, 0.1, MAX_RATE),
      for: duration('how long customers come', '60s', MIN_DURATION_MS, MAX_DURATION_MS),
      seed: wholeNumber('customers, orders and their fates follow from it', 1, 0, MAX_SEED),
      item: ids('menu item to order, instead of a menu of its own'),
      restaurant: ids('restaurant to order at; gets a menu, unless an --item is of it'),
      url: baseUrl('where the API is', localApiUrl(config)),
    },
    process.argv.slice(2),
  )
  if (options === null) return 0
  const { rate, for: durationMs, seed, url } = options
  const api = new Api(url, config.API_TOKEN)
  await api.checkReady()
  const menus = await chooseMenus(api, { ...options, expectedOrderCount: (rate * durationMs) / 1_000 })
  console.error(
    `${rate} orders a second for ${durationMs / 1_000} s at ${menus.length} restaurants of ${url}, seed ${seed}`,
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

/** @returns aborted by the first Ctrl-C; the next ends the process at once */
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

/** Lets customers come until the time is over, then waits for their orders, but not for ever. */
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
