import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Latencies } from '../../scripts/support/latencies.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { capture } from './capture.ts'
import { type Load, ORDERS_PATH } from './load.ts'

/** The outcome of a load beyond the API's capacity. */
export interface FloodResult {
  offeredPerSecond: number
  placedPerSecond: number
  /** latency of accepted orders (202) */
  placedP99Ms: number
  /** latency of refused orders (503) */
  refusedP50Ms: number
  /** requests without a response, and all other statuses */
  errors: number
}

export const hasH2load = spawnSync('h2load', ['--version']).error === undefined

/**
 * Sends `rate` orders per second, always the first body, evenly over all connections. A connection
 * sends its next order only after a response, so there must be more connections than orders that
 * the API lets wait. Uses h2load: wrk cannot hold a rate, and a client in JavaScript would take too
 * much of the CPU that the system needs.
 */
export async function flood({
  baseUrl,
  bodies,
  connections,
  seconds,
  rate,
}: Load & { rate: number }): Promise<FloodResult> {
  const folder = temporaryFolder('h2load')
  const [data, log] = [join(folder, 'body.json'), join(folder, 'answers.tsv')]
  writeFileSync(data, bodies[0] ?? '')
  try {
    const output = await capture('h2load', [
      '--h1',
      '--threads=1',
      `--clients=${connections}`,
      `--rps=${rate / connections}`,
      `--duration=${seconds}`,
      '--warm-up-time=0',
      `--data=${data}`,
      '--header=content-type: application/json',
      `--log-file=${log}`,
      baseUrl + ORDERS_PATH,
    ])
    const responses = readFileSync(log, 'utf8').trimEnd().split('\n').map(parseLogLine)
    const sent = Number(/ (\d+) started/.exec(output)?.[1])
    const placed = latenciesOf(responses, 202)
    const refused = latenciesOf(responses, 503)
    return {
      offeredPerSecond: sent / seconds,
      placedPerSecond: placed.count / seconds,
      placedP99Ms: placed.percentile(99),
      refusedP50Ms: refused.percentile(50),
      errors: responses.length - placed.count - refused.count,
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Response {
  status: number
  ms: number
}

/** Parses a line of h2load's log: start time, status, and response time in µs. */
function parseLogLine(line: string): Response {
  const [, status, microseconds] = line.split('\t')
  return { status: Number(status), ms: Number(microseconds) / 1_000 }
}

function latenciesOf(responses: readonly Response[], wantedStatus: number): Latencies {
  const latencies = new Latencies()
  for (const { status, ms } of responses) if (status === wantedStatus) latencies.record(ms)
  return latencies
}
