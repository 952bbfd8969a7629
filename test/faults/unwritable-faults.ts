import { untilTrue } from '../support/until.ts'
import type { Fault, TestBed } from './fault.ts'

/** Postgres answers and cannot write. */

const NOTICED_TIMEOUT_MS = 60_000

export const readOnlyWindow: Fault = {
  name: 'read-only-window',
  about: 'default_transaction_read_only until every API is not ready and a client got a 503; then off',
  run: async testBed => {
    const { postgres } = testBed
    const attemptCount = testBed.clients.attempts.length
    await postgres.query('alter system set default_transaction_read_only = on')
    try {
      await postgres.query('select pg_reload_conf()')
      return await untilNoticed(testBed, attemptCount)
    } finally {
      await postgres.query('alter system reset default_transaction_read_only')
      await postgres.query('select pg_reload_conf()')
    }
  },
}

/**
 * Waits until no API is ready and a client was refused with 503.
 * @returns failures
 */
async function untilNoticed({ cluster, clients }: TestBed, attemptCount: number): Promise<string[]> {
  const isNoticed = await untilTrue(NOTICED_TIMEOUT_MS, async () => {
    const statuses = await Promise.all(cluster.of('api').map(({ port }) => readiness(port)))
    return (
      statuses.every(status => status === 503) &&
      clients.attempts.slice(attemptCount).some(({ status }) => status === 503)
    )
  })
  return isNoticed ? [] : ['the APIs stayed ready or answered no request with 503']
}

/** Returns the status of `/readyz`, and 0 without an answer. */
async function readiness(port: number): Promise<number> {
  return await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(2_000) }).then(
    ({ status }) => status,
    () => 0,
  )
}
