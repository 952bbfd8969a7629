import { hostname } from 'node:os'
import packageJson from '../../../package.json' with { type: 'json' }
import type { Database } from '../../db/database.ts'
import { databaseMsSql } from '../../db/measure-clock.ts'
import { isUnavailable } from '../../db/sql-errors.ts'
import { unavailableReason } from '../../db/unavailable-reason.ts'
import { addClockSample } from '../../platform/clock.ts'
import { newId } from '../../platform/ids.ts'
import type { Logger } from '../../platform/log.ts'
import { PollLoop } from '../../platform/poll-loop.ts'
import { logClockSkew } from './clock-skew.ts'

/** Seconds between heartbeats. The statement also reads the paused queues and the time. */
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
  /** returns the events that the process dispatched in the last minute */
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
  /** time of the last heartbeat that was written, by `performance.now()` */
  #writtenAt = performance.now()
  /** why the last heartbeat was not written; undefined if it was */
  #failure: string | undefined

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

  /** Returns `ok`, or why the database accepts no writes of this process. Asks no database. */
  health(): string {
    if (this.#failure !== undefined) return `the last heartbeat could not be written: ${this.#failure}`
    const age = Math.round((performance.now() - this.#writtenAt) / 1_000)
    return age <= SILENT_AFTER_SECONDS ? 'ok' : `the last heartbeat was written ${age} s ago`
  }

  #logFailure(error: unknown): void {
    this.#failure = isUnavailable(error) ? unavailableReason(error) : 'unexpected error, see the log'
    this.#log.warn({ error: String(error) }, 'could not write the heartbeat')
  }

  async #beat(): Promise<void> {
    const { role, workingOn, dispatchedLastMinute, onBeat } = this.#options
    const sentAt = performance.now()
    const [row] = await this.#database.query<{ paused: string[]; database_ms: number }>(beatSql, [
      this.#processId,
      role,
      hostname(),
      process.pid,
      packageJson.version,
      JSON.stringify(workingOn?.() ?? []),
      dispatchedLastMinute?.() ?? null,
    ])
    this.#writtenAt = performance.now()
    this.#failure = undefined
    if (row) addClockSample(sentAt, row.database_ms)
    logClockSkew(this.#log)
    if (!(await onBeat?.(new Set(row?.paused)))) return
    // The next heartbeat reports the change, should this one fail.
    await this.#beat().catch((error: unknown) => this.#logFailure(error))
  }
}

/**
 * Also writes a temporary file of some 100 kB, which takes less than 1 ms: an update of this row
 * takes no space, so it would succeed on a full disk.
 */
const beatSql = `
  with disk as (
    select count(*) as spilled_rows
    from generate_series(1, 5000)
    where (select set_config('work_mem', '64kB', true)) is not null
  )
  insert into process_heartbeats (process_id, role, host, pid, version, working_on, dispatched_last_minute)
  select $1, $2, $3, $4, $5, $6, $7
  from disk
  on conflict (process_id) do update
  set beat_at = excluded.beat_at,
    working_on = excluded.working_on,
    dispatched_last_minute = excluded.dispatched_last_minute
  returning array(select queue from paused_queues) as paused, ${databaseMsSql} as database_ms
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
