import { chosen, commandLine, names, nonEmpty, wholeNumber } from '../../scripts/support/command-line.ts'
import { plainTable } from '../../scripts/support/plain-table.ts'
import { runScript } from '../../scripts/support/run-script.ts'
import { measureStandby, type StandbyResult, standbyModes } from './measure-standby.ts'
import { writeFigures } from './write-figures.ts'

/** Measures what each kind of standby costs, as ratios to the asynchronous one on loopback. */
await runScript(async () => {
  const options = commandLine(
    'npm run bench:standby --',
    'Measures placement and the whole pipeline without a standby, with an asynchronous one, and with a synchronous one, on loopback and over a link that a relay delays. All servers run on this machine.\nExits with 1 when a request fails.',
    'npm run bench:standby -- --seconds 8',
  )
    .option('--seconds <N>', 'duration of each load', wholeNumber(1, 600), 8)
    .option('--only <NAMES>', 'names of modes, separated by commas (default: all)', names)
    .option('--link-ms <N>', 'delay of the link in each direction', wholeNumber(1, 1_000), 1)
    .option('--json <FILE>', 'file for all figures', nonEmpty, 'bench-results/standby.json')
    .parse()
    .opts()
  const { results, roundTripMs } = await measureStandby({
    ...options,
    modes: chosen(options.only, standbyModes),
    onProgress: line => console.error(line),
  })
  console.log(`\n${table(results)}`)
  console.log(`\nthe relay adds ${roundTripMs.toFixed(1)} ms to a round trip`)
  writeFigures(options.json, { ...options, roundTripMs, results })
  const errors = results.reduce(
    (sum, { place, endToEnd }) => sum + (place['errors'] ?? 0) + (endToEnd['errors'] ?? 0),
    0,
  )
  if (errors > 0) console.log(`  ${errors} requests failed`)
  return errors === 0 ? 0 : 1
})

/** Ratios are to the asynchronous standby on loopback, or to the first mode without it. */
function table(results: readonly StandbyResult[]): string {
  const base = results.find(({ name }) => name === 'loopback-asynchronous') ?? results[0]
  const ratio = (value = Number.NaN, of = Number.NaN) => (value / of).toFixed(2)
  const ms = (value = Number.NaN) => value.toFixed(1)
  const whole = (value = Number.NaN) => Math.round(value).toLocaleString('en')
  return plainTable(
    ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
    ['standby', 'placed/s', 'ratio', 'p50 ms', 'end to end/s', 'ratio', 'p50 ms at 100/s'],
    results.map(({ name, place, endToEnd, latency }) => [
      name,
      whole(place['orders/s']),
      ratio(place['orders/s'], base?.place['orders/s']),
      ms(place['p50 ms']),
      whole(endToEnd['orders/s']),
      ratio(endToEnd['orders/s'], base?.endToEnd['orders/s']),
      ms(latency['p50 ms']),
    ]),
  )
}
