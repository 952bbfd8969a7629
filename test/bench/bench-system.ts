import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import packageJson from '../../package.json' with { type: 'json' }
import { Api } from '../../scripts/support/api.ts'
import { ScriptError } from '../../scripts/support/script-error.ts'
import { freePort } from '../support/free-port.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { processUse } from './process-use.ts'

export type Role = 'api' | 'dispatcher' | 'worker'

const ROOT = join(import.meta.dirname, '..', '..')
const START_TIMEOUT_MS = 60_000
/**
 * Sized for the reference machine, with default durability. Every scenario uses them, `limit` too.
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

/**
 * A Postgres server with default durability, and the roles as separate processes, as in production.
 */
export class BenchSystem {
  readonly url: string
  /** reads results; takes no part in the load */
  readonly db: pg.Pool
  readonly #server: PostgresServer
  readonly #env: Record<string, string>
  readonly #children = new Map<Role, ChildProcess>()
  /** peak memory of processes that have ended, in MB */
  readonly #peaks = new Map<Role, number>()
  #port = 0

  private constructor(server: PostgresServer, env: Record<string, string>) {
    this.#server = server
    this.#env = env
    this.url = server.url
    this.db = new pg.Pool({ connectionString: server.url, max: 2, application_name: 'comanda bench' })
    this.db.on('error', () => undefined)
  }

  /** @param env environment variables of every role */
  static async create(env: Record<string, string> = {}): Promise<BenchSystem> {
    const server = await PostgresServer.start(SERVER_SETTINGS)
    await server.migrate()
    const system = new BenchSystem(server, env)
    await system.#fillLog()
    // The first start of each role fills Node's compile cache.
    await system.run(['api', 'dispatcher', 'worker'])
    await system.run([])
    system.forgetPeaks()
    return system
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

  async destroy(): Promise<void> {
    await this.run([])
    await this.db.end()
    await this.#server.destroy()
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

/** Returns the arguments that `npm run <role>` passes to node. */
function argumentsOf(role: Role): string[] {
  return packageJson.scripts[role].split(' ').slice(1)
}
