import { commandLine, decimalNumber, nonEmpty, wholeNumber } from '../../scripts/support/command-line.ts'
import { runScript } from '../../scripts/support/run-script.ts'
import { capacityText, measureWebhookCapacity } from './measure-webhook-capacity.ts'
import { EVENTS_PER_ORDER, measureWebhooks } from './measure-webhooks.ts'
import { lagsOf, reportText } from './webhook-report.ts'
import { writeFigures } from './write-figures.ts'

/**
 * Measures how fast webhooks reach working endpoints while others are slow or fail, and checks that
 * no event is lost.
 */

const MAX_SHOWN_COUNT = 20

await runScript(async () => {
  const options = commandLine(
    'npm run bench:webhooks --',
    'Delivers events of orders to 20 webhooks: 3 endpoints are slow, 2 fail for a while, 1 does not exist. Kills the worker and the dispatcher once.\nExits with 1 when an event is lost, out of order or without a valid signature. Latencies are only printed.',
    'npm run bench:webhooks -- --events 10000 --rate 4',
  )
    .option(
      '--events <N>',
      `number of events; an order has ${EVENTS_PER_ORDER}`,
      wholeNumber(100, 1_000_000),
      10_000,
    )
    .option('--rate <N>', 'orders placed per second, on average', decimalNumber(0.1, 1_000), 4)
    .option('--capacity', 'measures the capacity instead, and loads of 0.5, 1 and 2 times as much')
    .option('--seconds <N>', 'duration of each load with --capacity', wholeNumber(1, 3_600), 30)
    .option('--json <FILE>', 'file for all figures', nonEmpty, 'bench-results/webhooks.json')
    .parse()
    .opts()
  const onProgress = (line: string) => console.error(line)
  if (options.capacity) {
    const capacity = await measureWebhookCapacity(options.seconds, onProgress)
    console.log(`\n${capacityText(capacity)}`)
    return report(options.json, capacity.failures, { ...capacity })
  }
  const result = await measureWebhooks({
    orderCount: Math.ceil(options.events / EVENTS_PER_ORDER),
    ordersPerSecond: options.rate,
    onProgress,
  })
  const { receivers, events, failures, states, loadMs, wholeMs, longestPauseMs } = result
  console.log(`\n${reportText(result)}`)
  return report(options.json, failures, {
    ordersPerSecond: options.rate,
    events: events.length,
    lags: lagsOf(result),
    receivers: receivers.map(({ behaviour, arrivals, repeated, refused }) => ({
      behaviour,
      received: arrivals.size,
      repeated,
      refused,
    })),
    states,
    loadMs,
    wholeMs,
    longestPauseMs,
  })
})

/** Prints the failures, and writes all figures. @returns the exit code */
function report(file: string, failures: readonly string[], figures: Record<string, unknown>): number {
  for (const failure of failures.slice(0, MAX_SHOWN_COUNT)) console.log(`  ${failure}`)
  if (failures.length > MAX_SHOWN_COUNT) console.log(`  and ${failures.length - MAX_SHOWN_COUNT} more`)
  writeFigures(file, { ...figures, failures })
  return failures.length === 0 ? 0 : 1
}
