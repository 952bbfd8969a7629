import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import pg from 'pg'
import { createMenu } from '../support/menu.ts'
import { makeSynchronous, startStandby } from '../support/standby.ts'
import { ALL, type Bench, type Figures, orderBodies } from './bench.ts'
import { BenchSystem } from './bench-system.ts'
import { cleanUpOnSignal, endWithThisProcess } from './end-on-signal.ts'
import { latencyAt } from './measure-latency.ts'
import { endToEnd, placement } from './measure-load.ts'

/** Values of `synchronous_commit` with which a commit waits for a synchronous standby. */
const WAITS = ['remote_write', 'on', 'remote_apply'] as const
const SETTINGS = { shared_buffers: '512MB', track_commit_timestamp: 'on' }
const MENU = { name: 'Standby', itemCount: 100, stock: 100_000_000 }
const CONNECTION_COUNT = 32
const ORDERS_PER_SECOND = 100
const ROUND_TRIP_COUNT = 200

/** `loopback`, or the link that a relay delays. */
type Link = 'loopback' | 'link'

/** A system with a standby, or without one. */
export interface StandbyMode {
  name: string
  link?: Link
  /** `synchronous_commit` of a synchronous standby; by default it is asynchronous */
  commit?: (typeof WAITS)[number]
}

const ofLink = (link: Link): StandbyMode[] => [
  { name: `${link}-asynchronous`, link },
  ...WAITS.map(commit => ({ name: `${link}-${commit}`, link, commit })),
]

/** In execution order: modes of a link share a standby, which is asynchronous first. */
export const standbyModes: readonly StandbyMode[] = [
  { name: 'no-standby' },
  ...ofLink('loopback'),
  ...ofLink('link'),
]

export interface StandbyResult {
  name: string
  place: Figures
  endToEnd: Figures
  /** from PLACED to PREPARING at a low rate */
  latency: Figures
}

export interface StandbyFigures {
  results: StandbyResult[]
  /** what the relay adds to the median of `select 1` */
  roundTripMs: number
}

export interface StandbyOptions {
  modes: readonly StandbyMode[]
  seconds: number
  /** delay of the link in each direction */
  linkMs: number
  onProgress: (line: string) => void
}

/** Measures one system with each kind of standby. */
export async function measureStandby(options: StandbyOptions): Promise<StandbyFigures> {
  const { modes, seconds, linkMs, onProgress } = options
  const system = await BenchSystem.createAsItComes({}, SETTINGS)
  const results: StandbyResult[] = []
  try {
    await system.migrate()
    await system.run(ALL)
    const menu = await createMenu(system.api, MENU)
    const bench = { system, menu, seconds, checkout: '', backlogCount: 0 }
    // The first load is not measured, because V8 still compiles.
    await endToEnd(orderBodies)(bench)
    const measure = async (mode: StandbyMode) => {
      onProgress(mode.name)
      results.push({ name: mode.name, ...(await measureOnce(bench)) })
    }
    for (const mode of modes) if (mode.link === undefined) await measure(mode)
    await measureLink(system, modesOf('loopback', modes), undefined, measure)
    const relay = await startRelay(Number(new URL(system.url).port), linkMs)
    try {
      const roundTripMs = (await roundTrip(system.url, relay.port)) - (await roundTrip(system.url))
      await measureLink(system, modesOf('link', modes), relay.port, measure)
      return { results, roundTripMs }
    } finally {
      relay.end()
    }
  } finally {
    await system.destroy()
  }
}

function modesOf(link: Link, modes: readonly StandbyMode[]): StandbyMode[] {
  return modes.filter(mode => mode.link === link)
}

async function measureOnce(bench: Bench): Promise<Omit<StandbyResult, 'name'>> {
  await bench.system.checkpoint()
  return {
    place: await placement(CONNECTION_COUNT, ALL)(bench),
    endToEnd: await endToEnd(orderBodies)(bench),
    latency: await latencyAt(ORDERS_PER_SECOND)(bench),
  }
}

/** Measures these modes of a standby that connects to `port`, by default to the primary itself. */
async function measureLink(
  system: BenchSystem,
  modes: readonly StandbyMode[],
  port: number | undefined,
  measure: (mode: StandbyMode) => Promise<void>,
): Promise<void> {
  if (modes.length === 0) return
  const standby = await startStandby(system, SETTINGS, port)
  const forget = cleanUpOnSignal(() => standby.destroy())
  try {
    for (const mode of modes) {
      if (mode.commit !== undefined) {
        await makeSynchronous(system)
        await system.query(`alter system set synchronous_commit = ${mode.commit}`)
        await system.query('select pg_reload_conf()')
      }
      await measure(mode)
    }
  } finally {
    for (const name of ['synchronous_standby_names', 'synchronous_commit'])
      await system.query(`alter system reset ${name}`)
    await system.query('select pg_reload_conf()')
    await standby.destroy()
    forget()
  }
}

async function startRelay(port: number, ms: number): Promise<{ port: number; end: () => void }> {
  const file = join(import.meta.dirname, 'run-relay.ts')
  const child = spawn(process.execPath, [file, String(port), String(ms)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  endWithThisProcess(child)
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer]
  return { port: Number(chunk.toString()), end: () => void child.kill() }
}

/** Returns the median of `select 1`, in ms. */
async function roundTrip(url: string, port?: number): Promise<number> {
  const address = new URL(url)
  if (port !== undefined) address.port = String(port)
  const client = new pg.Client({ connectionString: address.href })
  await client.connect()
  try {
    const times: number[] = []
    for (let count = 0; count < ROUND_TRIP_COUNT; count++) {
      const began = performance.now()
      await client.query('select 1')
      times.push(performance.now() - began)
    }
    return times.toSorted((a, b) => a - b)[ROUND_TRIP_COUNT / 2] ?? Number.NaN
  } finally {
    await client.end()
  }
}
