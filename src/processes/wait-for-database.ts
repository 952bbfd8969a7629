import { setTimeout as delay } from 'node:timers/promises'
import { isLoginRejected, unavailableReason } from '../db/unavailable-reason.ts'
import type { Config } from '../platform/config.ts'
import { DatabaseUnavailable } from '../platform/errors.ts'
import type { Logger } from '../platform/log.ts'

const RETRY_MS = 500

/**
 * Runs a step of the start of a process. Repeats it for up to `DATABASE_WAIT_MS` while the database
 * is unavailable, and logs each reason once.
 * @throws DatabaseUnavailable after `DATABASE_WAIT_MS`; at once when Postgres rejects the login or
 *   has no such database
 */
export async function waitForDatabase<T>(
  { DATABASE_WAIT_MS }: Pick<Config, 'DATABASE_WAIT_MS'>,
  log: Logger,
  step: () => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + DATABASE_WAIT_MS
  let logged: string | undefined
  for (;;) {
    try {
      return await step()
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable) || isLoginRejected(error)) throw error
      if (performance.now() > deadline) throw error
      const reason = unavailableReason(error)
      if (reason !== logged) log.warn({ reason }, 'the database is unavailable; waiting for it')
      logged = reason
      await delay(RETRY_MS)
    }
  }
}
