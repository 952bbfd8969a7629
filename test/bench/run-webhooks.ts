import { decimalNumber, readOptions, text, wholeNumber } from '../../scripts/support/read-options.ts'
import { runScript } from '../../scripts/support/run-script.ts'
import { EVENTS_PER_ORDER, measureWebhooks } from './measure-webhooks.ts'
import { lagsOf, reportText } from './webhook-report.ts'
import { writeFigures } from './write-figures.ts'

/** Whether webhooks reach the good receivers soon, and everybody completely, whatever the others do and whoever dies. */

const MAX_SHOWN_COUNT = 20

const command = {
  name: 'npm run bench:webhooks --',
  summary:
    'Sends events of orders to 20 webhooks: 3 are slow, 2 fail for a while, 1 is gone; worker and dispatcher are killed in the midst.\nExits with 1 when an event is lost, comes out of order or is not signed as it should be; how fast it is, is only told.',
  example: 'npm run bench:webhooks -- --events 10000 --rate 4',
}

await runScript(async () => {
  const options = readOptions(
    command,
    {
      events: wholeNumber(`how many; an order has ${EVENTS_PER_ORDER}`, 10_000, 100, 1_000_000),
      rate: decimalNumber('orders placed a second, on average', 4, 0.1, 1_000),
      json: text('file for all figures', 'bench-results/webhooks.json'),
    },
    process.argv.slice(2),
  )
  if (options === null) return 0
  const result = await measureWebhooks({
    orderCount: Math.ceil(options.events / EVENTS_PER_ORDER),
    ordersPerSecond: options.rate,
    onProgress: line => console.error(line),
  })
  const { receivers, events, failures, states, loadMs, wholeMs, longestPauseMs } = result
  console.log(`\n${reportText(result)}`)
  for (const failure of failures.slice(0, MAX_SHOWN_COUNT)) console.log(`  ${failure}`)
  if (failures.length > MAX_SHOWN_COUNT) console.log(`  and ${failures.length - MAX_SHOWN_COUNT} more`)
  writeFigures(options.json, {
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
    failures,
  })
  return failures.length === 0 ? 0 : 1
})
