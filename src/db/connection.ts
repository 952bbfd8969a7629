import type { Duplex } from 'node:stream'
import { callbackify } from 'node:util'
import pg from 'pg'
import { DatabaseUnavailable } from '../platform/errors.ts'

type Connected = (error: Error | null, client: pg.Client) => void

/**
 * A connection of node-postgres to a primary. Any failure to connect means that the database is
 * unavailable, even with a code that means a wrong statement later, e.g. 55000.
 */
export class Connection extends pg.Client {
  /** @throws DatabaseUnavailable, also when the server is a standby */
  override connect(): Promise<pg.Client>
  override connect(callback: Connected): void
  override connect(callback?: Connected): Promise<pg.Client> | void {
    if (!callback) return this.#connectToPrimary()
    callbackify(() => this.#connectToPrimary())(callback)
  }

  async #connectToPrimary(): Promise<pg.Client> {
    // The pool adds its listener later, and without one a lost connection would end the process.
    this.on('error', () => undefined)
    try {
      await super.connect()
      await refuseStandby(this)
      return this
    } catch (error) {
      this.disconnect()
      throw new DatabaseUnavailable(error)
    }
  }

  /** Closes the socket at once. `end` would wait for the statements in progress. */
  disconnect(): void {
    // The type of the client lacks its connection.
    const { stream } = (this as unknown as { connection: { stream: Duplex } }).connection
    stream.destroy()
  }
}

/** The server replays the WAL of another one: it accepts no writes, and LISTEN fails. */
export class ServerIsStandby extends Error {
  override name = 'ServerIsStandby'
  /** SQLSTATE read_only_sql_transaction, with which its statements would fail */
  readonly code = '25006'

  constructor() {
    super('the server is a standby, not the primary')
  }
}

/**
 * A standby accepts connections and answers reads, from a past that it may not leave for a while.
 * Asked per connection: behind PgBouncer, Postgres does not report `in_hot_standby`.
 */
async function refuseStandby(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ is_standby: boolean }>('select pg_is_in_recovery() as is_standby')
  if (rows[0]?.is_standby) throw new ServerIsStandby()
}
