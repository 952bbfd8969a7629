import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { pino } from 'pino'
import packageJson from '../../package.json' with { type: 'json' }
import { Api } from '../../scripts/support/api.ts'
import { ScriptError } from '../../scripts/support/script-error.ts'
import { type EmbeddedPostgres, startEmbedded } from '../../src/db/embedded/postgres.ts'
import { migrate } from '../../src/processes/migrate.ts'
import { freePort } from '../support/free-port.ts'

export type Role = 'api' | 'dispatcher' | 'worker'

const ROOT = join(import.meta.dirname, '..', '..')
const START_TIMEOUT_MS = 60_000
/** A server of this machine's size; its durability is the default. Every system is measured on the same settings, the limit too. */
const SERVER_SETTINGS = {
  shared_buffers: '2GB',
  min_wal_size: '4GB',
  max_wal_size: '8GB',
  track_commit_timestamp: 'on',
}
/** Segments of the write-ahead log, of 16 MB each, that are there from the beginning. */
const WAL_SEGMENT_COUNT = 200
const POLL_MS = 20

/**
 * A Postgres with its default durability in a folder of its own, and our roles as processes of their own on it, the
 * way they run in production.
 */
export class BenchSystem {
  readonly url: string
  /** looks at the results; takes no part in the load */
  readonly db: pg.Pool
  readonly #embedded: EmbeddedPostgres
  readonly #folder: string
  readonly #env: Record<string, string>
  readonly #children = new Map<Role, ChildProcess>()
  /** most memory of those that have ended, in MB */
  readonly #peaks = new Map<Role, number>()
  #port = 0

  private constructor(embedded: EmbeddedPostgres, folder: string, env: Record<string, string>) {
    this.#embedded = embedded
    this.#folder = folder
    this.#env = env
    this.url = embedded.url
    this.db = new pg.Pool({ connectionString: embedded.url, max: 2, application_name: 'comanda bench' })
    this.db.on('error', () => undefined)
  }

  /** @param env of every role */
  static async create(env: Record<string, string> = {}): Promise<BenchSystem> {
    const folder = mkdtempSync(join(tmpdir(), 'comanda-bench-'))
    chmodSync(folder, 0o755)
    const embedded = await startEmbedded(folder, SERVER_SETTINGS)
    await migrate(embedded.url, pino({ level: 'warn' }))
    const system = new BenchSystem(embedded, folder, env)
    await system.#fillLog()
    // Each was started once before: what is compiled is on the disk.
    await system.run(['api', 'dispatcher', 'worker'])
    await system.run([])
    system.forgetPeaks()
    return system
  }

  get api(): Api {
    return new Api(`http://127.0.0.1:${this.#port}`)
  }

  /**
   * Starts and stops roles until just these run. A changed environment starts a role anew.
   * @returns whether one was started
   */
  async run(roles: readonly Role[], env: Record<string, string> = {}): Promise<boolean> {
    for (const role of this.#children.keys()) {
      if (!roles.includes(role) || Object.keys(env).length > 0) await this.#end(role, 'SIGTERM')
    }
    const missing = roles.filter(role => !this.#children.has(role))
    for (const role of missing) await this.#start(role, env)
    return missing.length > 0
  }

  pidOf(role: Role): number | undefined {
    return this.#children.get(role)?.pid
  }

  /** The most memory that any process of the role has had, in MB, as long as none was forgotten. */
  peakOf(role: Role): number {
    const pid = this.pidOf(role)
    const present = pid === undefined ? 0 : (processUse(pid)?.peakRssMb ?? Number.NaN)
    return Math.max(present, this.#peaks.get(role) ?? 0)
  }

  /** Leaves out of {@link peakOf} what has ended so far. */
  forgetPeaks(): void {
    this.#peaks.clear()
  }

  /** Ends a role at once, as a machine that fails does. {@link run} starts it again. */
  async kill(role: Role): Promise<void> {
    await this.#end(role, 'SIGKILL')
  }

  async query<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.db.query<Row>(sql, values)).rows
  }

  /** Gives what was logged so far back, to be written over: outside of what is measured. */
  async checkpoint(): Promise<void> {
    await this.query('checkpoint')
  }

  async destroy(): Promise<void> {
    await this.run([])
    await this.db.end()
    await this.#embedded.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /**
   * A server that has run for a while writes over old segments of its log. A young one makes each anew while everybody waits:
   * 50 ms for every 7,000 orders, which is all of the p99 of a short run.
   */
  async #fillLog(): Promise<void> {
    for (let count = 0; count < WAL_SEGMENT_COUNT; count++)
      await this.query(`select pg_logical_emit_message(false, 'bench', 'fills the log'), pg_switch_wal()`)
    await this.checkpoint()
  }

  async #start(role: Role, env: Record<string, string>): Promise<void> {
    if (role === 'api') this.#port = await freePort()
    const child = spawn(process.execPath, argumentsOf(role), {
      cwd: ROOT,
      env: {
        ...process.env,
        LOG_LEVEL: 'warn',
        DATABASE_URL: this.url,
        PORT: String(this.#port),
        ...this.#env,
        ...env,
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    this.#children.set(role, child)
    const deadline = Date.now() + START_TIMEOUT_MS
    while (!(await this.#isReady(role, child))) {
      if (child.exitCode !== null || Date.now() > deadline) throw new ScriptError(`the ${role} did not start`)
      await delay(POLL_MS)
    }
  }

  async #isReady(role: Role, child: ChildProcess): Promise<boolean> {
    if (role === 'api')
      return await fetch(`${this.api.baseUrl}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      )
    const rows = await this.query('select 1 from pgboss.instance where name = $1 and pid = $2', [
      role,
      child.pid,
    ])
    return rows.length > 0
  }

  async #end(role: Role, signal: NodeJS.Signals): Promise<void> {
    const child = this.#children.get(role)
    this.#peaks.set(role, this.peakOf(role))
    this.#children.delete(role)
    if (!child || child.exitCode !== null) return
    child.kill(signal)
    await new Promise(done => child.once('exit', done))
  }
}

/** What `npm run api` and the others call node with. */
function argumentsOf(role: Role): string[] {
  return packageJson.scripts[role].split(' ').slice(1)
}

/** Peak and present memory, and CPU time, of a process; Linux only. */
export function processUse(pid: number): { peakRssMb: number; cpuSeconds: number } | undefined {
  try {
    const peakKb = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    const ticks = Number(fields[11]) + Number(fields[12])
    return { peakRssMb: Number(peakKb) / 1024, cpuSeconds: ticks / 100 }
  } catch {
    return undefined
  }
}
