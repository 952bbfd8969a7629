import { decimalNumber, readOptions, text, wholeNumber } from '../../scripts/support/read-options.ts'
import { runScript } from '../../scripts/support/run-script.ts'
import { measureStreams } from './measure-streams.ts'
import { writeFigures } from './write-figures.ts'

/** How soon events come to those who follow live, and what it costs to have many of them. */

const MAX_SHOWN_COUNT = 20

const command = {
  name: 'npm run bench:streams --',
  summary:
    'Holds event streams open on one API process while orders are placed and moved on.\nExits with 1 when an event is lost or comes twice, or a stream breaks off; how fast it is, is only told.',
  example: 'npm run bench:streams -- --streams 2000 --rate 200 --seconds 30',
}

await runScript(async () => {
  const options = readOptions(
    command,
    {
      streams: wholeNumber('how many are open, a quarter of them of restaurants', 2_000, 4, 4_500),
      rate: decimalNumber('events committed a second, on average', 200, 1, 10_000),
      seconds: wholeNumber('for how long', 30, 1, 3_600),
      json: text('file for all figures', 'bench-results/streams.json'),
    },
    process.argv.slice(2),
  )
  if (options === null) return 0
  const { lags, failures, rssMb, ...rest } = await measureStreams({
    streamCount: options.streams,
    eventsPerSecond: options.rate,
    seconds: options.seconds,
    onProgress: line => console.error(line),
  })
  const streams = rest.orderStreams + rest.restaurantStreams
  const figures = {
    ...rest,
    sent: lags.count,
    p50Ms: lags.percentile(50),
    p99Ms: lags.percentile(99),
    maxMs: lags.percentile(100),
    rssMb,
    kbAStream: ((rssMb.open - rssMb.before) * 1024) / streams,
  }
  const whole = (value: number) => Math.round(value).toLocaleString('en')
  console.log(`
${whole(rest.restaurantStreams)} streams of restaurants and ${whole(rest.orderStreams)} of orders
${whole(rest.events)} events, sent ${whole(figures.sent)} times
from commit to client: p50 ${whole(figures.p50Ms)} ms, p99 ${whole(figures.p99Ms)} ms, at most ${whole(figures.maxMs)} ms
memory of the API: ${whole(rssMb.before)} MB without streams, ${whole(rssMb.open)} MB with them (${figures.kbAStream.toFixed(1)} kB each), ${whole(rssMb.end)} MB at the end
heartbeats: ${whole(rest.heartbeats)}; this program was kept from looking for ${whole(rest.longestPauseMs)} ms at the longest`)
  for (const failure of failures.slice(0, MAX_SHOWN_COUNT)) console.log(`  ${failure}`)
  if (failures.length > MAX_SHOWN_COUNT) console.log(`  and ${failures.length - MAX_SHOWN_COUNT} more`)
  writeFigures(options.json, {
    eventsPerSecond: options.rate,
    seconds: options.seconds,
    ...figures,
    failures,
  })
  return failures.length === 0 ? 0 : 1
})
