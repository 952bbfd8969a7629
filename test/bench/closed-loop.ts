import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import autocannon from 'autocannon'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { capture } from './capture.ts'
import { type Load, type LoadResult, ORDERS_PATH } from './load.ts'

const hasWrk = spawnSync('wrk', ['--version']).error === undefined

export const loadTool = hasWrk ? 'wrk' : 'autocannon'

/**
 * Sends orders as fast as possible: each connection sends the next order when the previous one is
 * answered. Uses wrk where it is installed, else autocannon.
 */
export async function closedLoop(load: Load): Promise<LoadResult> {
  return hasWrk ? await runWrk(load) : await runAutocannon(load)
}

async function runAutocannon({ baseUrl, bodies, connections, seconds }: Load): Promise<LoadResult> {
  const requests = bodies.map(body => ({
    method: 'POST' as const,
    path: ORDERS_PATH,
    headers: { 'content-type': 'application/json' },
    body,
  }))
  const sets = Math.min(connections, requests.length)
  let connected = 0
  const result = await autocannon({
    url: baseUrl,
    connections,
    duration: seconds,
    requests: requests.slice(0, 1),
    // autocannon encodes all requests of each connection first, and sends them in the same order.
    setupClient: client => {
      const set = connected++ % sets
      client.setRequests(requests.filter((_, index) => index % sets === set))
    },
  })
  return {
    perSecond: result['2xx'] / result.duration,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    errors: result.non2xx + result.errors + result.timeouts,
  }
}

async function runWrk({ baseUrl, bodies, connections, seconds }: Load): Promise<LoadResult> {
  const folder = temporaryFolder('wrk')
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
  return wrk.format(nil, "${ORDERS_PATH}", nil, bodies[n % #bodies + 1])
end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
`
}
