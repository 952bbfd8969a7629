import { commandLine, decimalNumber, nonEmpty, wholeNumber } from '../../scripts/support/command-line.ts'
import { runScript } from '../../scripts/support/run-script.ts'
import { measureStreams } from './measure-streams.ts'
import { writeFigures } from './write-figures.ts'

/** Measures how fast events reach the clients of event streams, and what many open streams cost. */

const MAX_SHOWN_COUNT = 20

await runScript(async () => {
  const options = commandLine(
    'npm run bench:streams --',
    'Keeps event streams open on one API process while orders are placed and change their status.\nExits with 1 when an event is lost or duplicated, or when a stream breaks. Latencies are only printed.',
    'npm run bench:streams -- --streams 2000 --rate 200 --seconds 30',
  )
    .option('--streams <N>', 'open streams, a quarter of them of restaurants', wholeNumber(4, 4_500), 2_000)
    .option('--rate <N>', 'events committed per second, on average', decimalNumber(1, 10_000), 200)
    .option('--seconds <N>', 'duration', wholeNumber(1, 3_600), 30)
    .option('--json <FILE>', 'file for all figures', nonEmpty, 'bench-results/streams.json')
    .parse()
    .opts()
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
