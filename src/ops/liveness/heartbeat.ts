import { hostname } from 'node:os'
import packageJson from '../../../package.json' with { type: 'json' }
import type { Database } from '../../db/database.ts'
import { newId } from '../../platform/ids.ts'
import type { Logger } from '../../platform/log.ts'
import { PollLoop } from '../../platform/poll-loop.ts'

/** Seconds between heartbeats; the same statement reads the paused queues. */
export const HEARTBEAT_SECONDS = 5
/** A process counts as silent after three missed heartbeats. */
export const SILENT_AFTER_SECONDS = 3 * HEARTBEAT_SECONDS
const FORGET_AFTER_DAYS = 1

/** A queue that a process works on, with the number of its active jobs there. */
interface WorkedQueue {
  queue: string
  jobs: number
}

export interface HeartbeatOptions {
  role: 'api' | 'dispatcher' | 'worker'
  /** returns the queues that the process works on now */
  workingOn?: () => WorkedQueue[]
  /** for dispatchers: returns the events dispatched in the last minute */
  dispatchedLastMinute?: () => number
  /**
   * Called after each heartbeat with the paused queues.
   * @returns whether `workingOn` changed, which is then reported at once
   */
  onBeat?: (paused: ReadonlySet<string>) => Promise<boolean>
}

/** Maintains the row of a process in `ops.workers`. */
export class Heartbeat {
  readonly #database: Database
  readonly #options: HeartbeatOptions
  readonly #log: Logger
  readonly #processId = newId()
  readonly #loop: PollLoop

  private constructor(database: Database, options: HeartbeatOptions, log: Logger) {
    this.#database = database
    this.#options = options
    this.#log = log
    this.#loop = new PollLoop({
      run: () => this.#beat(),
      intervalMs: HEARTBEAT_SECONDS * 1_000,
      onError: error => this.#logFailure(error),
    })
  }

  /** Starts the heartbeat and writes it once. @throws DatabaseUnavailable when that write fails */
  static async start(database: Database, options: HeartbeatOptions, log: Logger): Promise<Heartbeat> {
    const heartbeat = new Heartbeat(database, options, log)
    await database.execute(forgetSql)
    await heartbeat.#beat()
    heartbeat.#loop.start(HEARTBEAT_SECONDS * 1_000)
    return heartbeat
  }

  /** Marks the process as stopped. Never throws: without a database, it becomes silent instead. */
  async stop(): Promise<void> {
    await this.#loop.stop()
    await this.#database.execute(stopSql, [this.#processId]).catch(() => undefined)
  }

  #logFailure(error: unknown): void {
    this.#log.warn({ error: String(error) }, 'could not write the heartbeat')
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
    // The next heartbeat reports the change, should this one fail.
    await this.#beat().catch((error: unknown) => this.#logFailure(error))
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
