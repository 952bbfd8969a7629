import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import autocannon from 'autocannon'
import { Latencies } from '../../scripts/support/latencies.ts'
import { poissonArrivals, runArrivals } from '../../scripts/support/poisson-arrivals.ts'
import { SeededRandom } from '../../scripts/support/seeded-random.ts'

/** What came of one load run. */
export interface LoadResult {
  perSecond: number
  p50Ms: number
  p99Ms: number
  /** answers that were no success, and requests without an answer */
  errors: number
}

export interface Load {
  baseUrl: string
  /** request bodies for POST /api/v1/orders, taken in turn */
  bodies: readonly string[]
  connections: number
  seconds: number
}

/** What came of more than is taken. */
export interface FloodResult {
  offeredPerSecond: number
  placedPerSecond: number
  /** of those that were placed */
  placedP99Ms: number
  /** of those that were told to come back */
  refusedP50Ms: number
  /** answers that were neither, and requests without an answer */
  errors: number
}

const PATH = '/api/v1/orders'
const ARRIVALS_SEED = 1
const hasWrk = spawnSync('wrk', ['--version']).error === undefined
export const hasH2load = spawnSync('h2load', ['--version']).error === undefined

/** As fast as it goes: each connection sends its next order when the last is answered. By wrk, else autocannon. */
export async function closedLoop(load: Load): Promise<LoadResult> {
  return hasWrk ? await runWrk(load) : await runAutocannon(load)
}

/**
 * So many orders a second at random moments, whatever the answers take, over all connections in turn. Latency counts
 * from when an order was due, so that a slow answer cannot hide the ones behind it.
 */
export async function openLoop({
  baseUrl,
  bodies,
  connections,
  seconds,
  rate,
}: Load & { rate: number }): Promise<LoadResult> {
  const agents = Array.from({ length: connections }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
  const latencies = new Latencies()
  const pending = new Set<Promise<void>>()
  let sent = 0
  let errors = 0
  async function send(body: string, agent: Agent | undefined, dueAt: number): Promise<void> {
    if (!(await post(baseUrl, body, agent))) errors++
    latencies.record(performance.now() - dueAt)
  }

  const arrivals = poissonArrivals(new SeededRandom(ARRIVALS_SEED, 'arrivals'), rate, seconds * 1_000)
  const started = performance.now()
  await runArrivals(arrivals, new AbortController().signal, dueAt => {
    const answered = send(bodies[sent % bodies.length] ?? '', agents[sent % agents.length], dueAt)
    void answered.finally(() => pending.delete(answered))
    pending.add(answered)
    sent++
  })
  await Promise.all(pending)
  const perSecond = (sent - errors) / ((performance.now() - started) / 1_000)
  for (const agent of agents) agent.destroy()
  return { perSecond, p50Ms: latencies.percentile(50), p99Ms: latencies.percentile(99), errors }
}

/** @returns whether the order was accepted; a request without an answer was not */
async function post(baseUrl: string, body: string, agent: Agent | undefined): Promise<boolean> {
  return await new Promise(done => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const outgoing = request(baseUrl + PATH, { method: 'POST', agent, headers }, response => {
      response.resume()
      response.once('end', () => done(response.statusCode === 202))
      response.once('error', () => done(false))
    })
    outgoing.once('error', () => done(false))
    outgoing.end(body)
  })
}

/**
 * So many orders a second, the first body each time, evenly over all connections; none sends before it was answered, so it takes
 * more connections than may wait. By h2load, which is written for that: wrk keeps no rate, and what is left of two cores beside
 * a client in JavaScript is no system's best.
 */
export async function flood({
  baseUrl,
  bodies,
  connections,
  seconds,
  rate,
}: Load & { rate: number }): Promise<FloodResult> {
  const folder = mkdtempSync(join(tmpdir(), 'comanda-h2load-'))
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
      baseUrl + PATH,
    ])
    const answers = readFileSync(log, 'utf8').trimEnd().split('\n').map(readAnswer)
    const sent = Number(/ (\d+) started/.exec(output)?.[1])
    const placed = latenciesOf(answers, 202)
    const refused = latenciesOf(answers, 503)
    return {
      offeredPerSecond: sent / seconds,
      placedPerSecond: placed.count / seconds,
      placedP99Ms: placed.percentile(99),
      refusedP50Ms: refused.percentile(50),
      errors: answers.length - placed.count - refused.count,
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A line of h2load's log: when it was sent, the status, and how long the answer took, in µs. */
function readAnswer(line: string): { status: number; ms: number } {
  const [, status, microseconds] = line.split('\t')
  return { status: Number(status), ms: Number(microseconds) / 1_000 }
}

function latenciesOf(answers: readonly { status: number; ms: number }[], wanted: number): Latencies {
  const latencies = new Latencies()
  for (const { status, ms } of answers) if (status === wanted) latencies.record(ms)
  return latencies
}

export const loadTool = hasWrk ? 'wrk' : 'autocannon'

async function runAutocannon({ baseUrl, bodies, connections, seconds }: Load): Promise<LoadResult> {
  const result = await autocannon({
    url: baseUrl,
    connections,
    duration: seconds,
    requests: bodies.map(body => ({
      method: 'POST' as const,
      path: PATH,
      headers: { 'content-type': 'application/json' },
      body,
    })),
  })
  return {
    perSecond: result['2xx'] / result.duration,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    errors: result.non2xx + result.errors + result.timeouts,
  }
}

async function runWrk({ baseUrl, bodies, connections, seconds }: Load): Promise<LoadResult> {
  const folder = mkdtempSync(join(tmpdir(), 'comanda-wrk-'))
  const script = join(folder, 'post.lua')
  writeFileSync(script, luaScript(bodies))
  try {
    const output = await capture('wrk', [
      '--threads=1',
      `--connections=${connections}`,
      `--duration=${seconds}s`,
      '--timeout=10s',
      `--script=${script}`,
      baseUrl,
    ])
    const [requests = 0, microseconds = 1, p50 = 0, p99 = 0, bad = 0] =
      /RESULT ([\d. ]+)/.exec(output)?.[1]?.split(' ').map(Number) ?? []
    return {
      perSecond: (requests - bad) / (microseconds / 1e6),
      p50Ms: p50 / 1e3,
      p99Ms: p99 / 1e3,
      errors: bad,
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function luaScript(bodies: readonly string[]): string {
  return `
local bodies = {${bodies.map(body => `[==[${body}]==]`).join(',')}}
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local n = 0
request = function()
  n = n + 1
  return wrk.format(nil, "${PATH}", nil, bodies[n % #bodies + 1])
end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
`
}

export async function capture(
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<string> {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const code = await new Promise<number | null>((done, fail) => child.once('error', fail).once('close', done))
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${output.trim().slice(-500)}`)
  return output
}
