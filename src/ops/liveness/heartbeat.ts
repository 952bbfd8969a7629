import { hostname } from 'node:os'
import packageJson from '../../../package.json' with { type: 'json' }
import type { Database } from '../../db/database.ts'
import { newId } from '../../platform/ids.ts'
import type { Logger } from '../../platform/log.ts'

/** How often a process says that it is alive, and learns which queues are paused: one statement. */
export const HEARTBEAT_SECONDS = 5
/** A process that has missed three is silent. */
export const SILENT_AFTER_SECONDS = 3 * HEARTBEAT_SECONDS
const FORGET_AFTER_DAYS = 1

/** A queue that a process works, and how many of its jobs it has in hand. */
interface WorkedQueue {
  queue: string
  jobs: number
}

export interface HeartbeatOptions {
  role: 'api' | 'dispatcher' | 'worker'
  /** what it works on at the moment */
  workingOn?: () => WorkedQueue[]
  /** for dispatchers: events moved to their queues in the last minute */
  dispatchedLastMinute?: () => number
  /**
   * Called after each beat with the queues that operators have paused.
   * @returns whether it works on something else now: that is said at once
   */
  onBeat?: (paused: ReadonlySet<string>) => Promise<boolean>
}

/** A line of `ops.workers`, kept true for as long as the process lives. */
export class Heartbeat {
  readonly #database: Database
  readonly #options: HeartbeatOptions
  readonly #log: Logger
  readonly #processId = newId()
  #timer: NodeJS.Timeout | undefined
  #beating: Promise<void> | undefined

  private constructor(database: Database, options: HeartbeatOptions, log: Logger) {
    this.#database = database
    this.#options = options
    this.#log = log
  }

  /** Resolves after the first beat. @throws DatabaseUnavailable when that cannot be written */
  static async start(database: Database, options: HeartbeatOptions, log: Logger): Promise<Heartbeat> {
    const heartbeat = new Heartbeat(database, options, log)
    await database.execute(forgetSql)
    await heartbeat.#beat()
    heartbeat.#timer = setInterval(() => heartbeat.#beatAgain(), HEARTBEAT_SECONDS * 1_000)
    return heartbeat
  }

  /** Says that the process has stopped. Never throws: a database that is away sees it fall silent instead. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#beating
    await this.#database.execute(stopSql, [this.#processId]).catch(() => undefined)
  }

  /** One at a time: a slow one is not stacked upon. */
  #beatAgain(): void {
    this.#beating ??= this.#beat()
      .catch((error: unknown) => this.#complain(error))
      .finally(() => (this.#beating = undefined))
  }

  #complain(error: unknown): void {
    this.#log.warn({ error: String(error) }, 'heartbeat not written')
  }

  async #beat(): Promise<void> {
    const { role, workingOn, dispatchedLastMinute, onBeat } = this.#options
    const [row] = await this.#database.query<{ paused: string[] }>(beatSql, [
      this.#processId,
      role,
      hostname(),
      process.pid,
      packageJson.version,
      JSON.stringify(workingOn?.() ?? []),
      dispatchedLastMinute?.() ?? null,
    ])
    if (!(await onBeat?.(new Set(row?.paused)))) return
    // It works already; what it works on can be said with the next beat, too.
    await this.#beat().catch((error: unknown) => this.#complain(error))
  }
}

const beatSql = `
  insert into process_heartbeats (process_id, role, host, pid, version, working_on, dispatched_last_minute)
  values ($1, $2, $3, $4, $5, $6, $7)
  on conflict (process_id) do update
  set beat_at = excluded.beat_at,
    working_on = excluded.working_on,
    dispatched_last_minute = excluded.dispatched_last_minute
  returning array(select queue from paused_queues) as paused
`

const stopSql = `
  update process_heartbeats
  set stopped_at = clock_timestamp()
  where process_id = $1
`

const forgetSql = `
  delete from process_heartbeats
  where beat_at < now() - interval '${FORGET_AFTER_DAYS} days'
`
