import type { Duplex } from 'node:stream'
import pg from 'pg'
import { DatabaseUnavailable } from '../platform/errors.ts'

type Connected = (error: Error | null, client: pg.Client) => void

/**
 * A connection of node-postgres. Any failure to connect means that the database is unavailable,
 * even with a code that means a wrong statement later, e.g. 55000.
 */
export class Connection extends pg.Client {
  /** @throws DatabaseUnavailable */
  override connect(): Promise<pg.Client>
  override connect(callback: Connected): void
  override connect(callback?: Connected): Promise<pg.Client> | void {
    if (callback)
      return super.connect((error, client) => callback(error && new DatabaseUnavailable(error), client))
    return super.connect().catch((error: unknown) => {
      throw new DatabaseUnavailable(error)
    })
  }

  /** Closes the socket at once. `end` would wait for the statements in progress. */
  disconnect(): void {
    // The type of the client lacks its connection.
    const { stream } = (this as unknown as { connection: { stream: Duplex } }).connection
    stream.destroy()
  }
}
