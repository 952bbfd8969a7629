import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import pg from 'pg'
import { Api } from '../../scripts/support/api.ts'
import { ScriptError } from '../../scripts/support/script-error.ts'
import type { EmbeddedPostgres, startEmbedded } from '../../src/db/embedded/postgres.ts'
import { freePort } from '../support/free-port.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { cleanUpOnSignal, endWithThisProcess } from './end-on-signal.ts'
import { familyCpuSeconds, processUse } from './process-use.ts'

/** A process: one role, or all roles as `npm start` runs them. */
export type Role = 'api' | 'dispatcher' | 'worker' | 'start'

/** This repository. */
export const ROOT = join(import.meta.dirname, '..', '..')
const START_TIMEOUT_MS = 60_000
/**
 * Sized for the reference machine, with default durability. Every scenario uses them, `limit` too,
 * except those on a server as it comes.
 */
const SERVER_SETTINGS = {
  shared_buffers: '2GB',
  min_wal_size: '4GB',
  max_wal_size: '8GB',
  track_commit_timestamp: 'on',
}
/** WAL segments, of 16 MB each, that exist before the first measurement. */
const WAL_SEGMENT_COUNT = 200
const POLL_MS = 20

interface SystemOptions {
  /** environment variables of every role */
  env?: Record<string, string>
  /** folder of the checkout whose code and server settings are measured */
  checkout?: string
}

/**
 * A Postgres server with default durability, and the roles as separate processes, as in production.
 */
export class BenchSystem {
  readonly url: string
  /** reads results; takes no part in the load */
  readonly db: pg.Pool
  readonly #server: EmbeddedPostgres
  /** holds the data folder and the password of the server */
  readonly folder: string
  readonly #checkout: string
  readonly #env: Record<string, string>
  readonly #children = new Map<Role, ChildProcess>()
  /** peak memory of processes that have ended, in MB */
  readonly #peaks = new Map<Role, number>()
  readonly #forget: () => void
  #port = 0
  #destroyed: Promise<void> | undefined

  private constructor(
    server: EmbeddedPostgres,
    folder: string,
    { env = {}, checkout = ROOT }: SystemOptions,
  ) {
    this.#server = server
    this.folder = folder
    this.#checkout = checkout
    this.#env = env
    this.url = server.url
    // Without statistics the polls would scan whole partitions, and slow what is measured. They are
    // not part of what an order costs.
    const options = '-c enable_seqscan=off -c pg_stat_statements.track=none'
    this.db = new pg.Pool({
      connectionString: server.url,
      max: 2,
      application_name: 'comanda bench',
      options,
    })
    this.db.on('error', () => undefined)
    this.#forget = cleanUpOnSignal(() => this.destroy())
  }

  /** Creates a system whose server and processes have been prepared for measurements. */
  static async create(options: SystemOptions = {}): Promise<BenchSystem> {
    const system = await BenchSystem.#startServer(SERVER_SETTINGS, options)
    try {
      await system.#runScript('migrate')
      await system.#fillLog()
      // The first start of each role fills Node's compile cache.
      await system.run(['api', 'dispatcher', 'worker'])
      await system.run([])
      system.forgetPeaks()
      return system
    } catch (error) {
      await system.destroy()
      throw error
    }
  }

  /**
   * Creates a system with the server settings of `npm start`, which nothing has prepared.
   * @param settings additional server settings
   */
  static async createAsItComes(
    options: SystemOptions = {},
    settings: Record<string, string> = {},
  ): Promise<BenchSystem> {
    return await BenchSystem.#startServer(settings, options)
  }

  static async #startServer(settings: Record<string, string>, options: SystemOptions): Promise<BenchSystem> {
    const file = join(options.checkout ?? ROOT, 'src', 'db', 'embedded', 'postgres.ts')
    const embedded = (await import(pathToFileURL(file).href)) as { startEmbedded: typeof startEmbedded }
    const folder = temporaryFolder('bench')
    return new BenchSystem(await embedded.startEmbedded(folder, settings), folder, options)
  }

  get dataFolder(): string {
    return this.#server.dataFolder
  }

  /** CPU time of the server's processes, in seconds. */
  get serverCpuSeconds(): number {
    const [pid] = readFileSync(join(this.dataFolder, 'postmaster.pid'), 'utf8').split('\n')
    return familyCpuSeconds(Number(pid))
  }

  get api(): Api {
    return new Api(`http://127.0.0.1:${this.#port}`)
  }

  /**
   * Starts and stops roles so that exactly these run. With `env`, every role is started again.
   * @returns whether a role was started
   */
  async run(roles: readonly Role[], env: Record<string, string> = {}): Promise<boolean> {
    for (const role of this.#children.keys()) {
      if (!roles.includes(role) || Object.keys(env).length > 0) await this.#end(role, 'SIGTERM')
    }
    const missing = roles.filter(role => !this.#children.has(role))
    for (const role of missing) await this.#start(role, env)
    return missing.length > 0
  }

  /** Migrates the database, as `npm run migrate` does. `npm start` migrates by itself. */
  async migrate(): Promise<void> {
    await this.#runScript('migrate')
  }

  pidOf(role: Role): number | undefined {
    return this.#children.get(role)?.pid
  }

  /** Peak memory of all processes of the role since {@link forgetPeaks}, in MB. */
  peakOf(role: Role): number {
    const pid = this.pidOf(role)
    const current = pid === undefined ? 0 : (processUse(pid)?.peakRssMb ?? Number.NaN)
    return Math.max(current, this.#peaks.get(role) ?? 0)
  }

  /** Makes {@link peakOf} ignore the processes that have ended so far. */
  forgetPeaks(): void {
    this.#peaks.clear()
  }

  /** Sends SIGKILL to a role, as when its machine fails. {@link run} starts it again. */
  async kill(role: Role): Promise<void> {
    await this.#end(role, 'SIGKILL')
  }

  async query<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.db.query<Row>(sql, values)).rows
  }

  /** Frees the WAL written so far for reuse, outside of the measured time. */
  async checkpoint(): Promise<void> {
    await this.query('checkpoint')
  }

  /** Ends all processes and the server, and deletes its data. */
  async destroy(): Promise<void> {
    this.#destroyed ??= this.#destroy()
    await this.#destroyed
  }

  async #destroy(): Promise<void> {
    await this.run([])
    await this.db.end()
    await this.#server.stop()
    rmSync(this.folder, { recursive: true, force: true })
    this.#forget()
  }

  /**
   * Creates WAL segments in advance. A server that has run for a while recycles old segments. A new
   * server creates each one while all commits wait: 50 ms per 7,000 orders, which would dominate
   * the p99 of a short run.
   */
  async #fillLog(): Promise<void> {
    for (let count = 0; count < WAL_SEGMENT_COUNT; count++)
      await this.query(`select pg_logical_emit_message(false, 'bench', 'fills the WAL'), pg_switch_wal()`)
    await this.checkpoint()
  }

  async #start(role: Role, env: Record<string, string>): Promise<void> {
    if (role === 'api' || role === 'start') this.#port = await freePort()
    const child = this.#spawn(role, env)
    this.#children.set(role, child)
    const deadline = Date.now() + START_TIMEOUT_MS
    while (!(await this.#isReady(role, child))) {
      if (hasEnded(child) || Date.now() > deadline) throw new ScriptError(`npm run ${role} did not start`)
      await delay(POLL_MS)
    }
  }

  async #runScript(script: 'migrate'): Promise<void> {
    const child = this.#spawn(script, {})
    await new Promise(done => child.once('exit', done))
    if (child.exitCode !== 0) throw new ScriptError(`npm run ${script} failed`)
  }

  /** Runs a script of the checkout's package.json without npm. */
  #spawn(script: Role | 'migrate', env: Record<string, string>): ChildProcess {
    // `npm start` adopts the server that already runs on its folder.
    const database = script === 'start' ? { DATA_DIR: this.folder } : { DATABASE_URL: this.url }
    const { DATABASE_URL: _, ...inherited } = process.env
    const child = spawn(process.execPath, argumentsOf(this.#checkout, script), {
      cwd: this.#checkout,
      env: { LOG_LEVEL: 'warn', ...inherited, ...database, PORT: String(this.#port), ...this.#env, ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    endWithThisProcess(child)
    return child
  }

  async #isReady(role: Role, child: ChildProcess): Promise<boolean> {
    if (role === 'api' || role === 'start')
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
    if (!child || hasEnded(child)) return
    child.kill(signal)
    await new Promise(done => child.once('exit', done))
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

/** Returns the arguments that `npm run <script>` passes to node. */
function argumentsOf(checkout: string, script: Role | 'migrate'): string[] {
  const { scripts } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  return scripts[script]?.split(' ').slice(1) ?? []
}
