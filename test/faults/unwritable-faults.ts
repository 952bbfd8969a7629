import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { mountDisk } from '../support/limited-disk.ts'
import { untilTrue } from '../support/until.ts'
import type { Fault, TestBed } from './fault.ts'
import { untilPrepared } from './until-prepared.ts'

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

const DISK_MB = 1_024

/** Fills only the tables' disk: PostgreSQL ends when it cannot write its log. */
export const diskFull: Fault = {
  name: 'disk-full',
  about: 'no free space for tables until every API is not ready and a client got a 503; then space',
  run: async testBed => {
    const { postgres, clients } = testBed
    const [setting] = await postgres.query<{ folder: string }>(
      `select current_setting('data_directory') as folder`,
    )
    const base = join(setting?.folder ?? '', 'base')
    const copy = `${base}.copy`
    await postgres.server.shutDown()
    copyFolder(base, copy)
    const disk = mountDisk(base, DISK_MB)
    try {
      copyFolder(copy, base)
      await startAgain(testBed)
      // The 503s that follow are of the full disk, and not of the restart.
      if (!(await untilWorking(testBed))) return ['the system did not recover from the restart of Postgres']
      disk.fill()
      const failures = await untilNoticed(testBed, clients.attempts.length)
      disk.resize(DISK_MB)
      await postgres.server.shutDown()
      rmSync(copy, { recursive: true })
      copyFolder(base, copy)
      return failures
    } finally {
      disk.unmount()
      copyFolder(copy, base)
      rmSync(copy, { recursive: true })
      await startAgain(testBed)
    }
  },
}

/** Copies with the owner and the mode of every file. */
function copyFolder(from: string, to: string): void {
  mkdirSync(to, { recursive: true })
  execFileSync('cp', ['-aT', from, to])
}

/** Waits until every API is ready and a new order leaves PLACED. */
async function untilWorking({ cluster, clients, postgres }: TestBed): Promise<boolean> {
  const areReady = await untilTrue(NOTICED_TIMEOUT_MS, async () =>
    (await Promise.all(cluster.of('api').map(({ port }) => readiness(port)))).every(status => status === 200),
  )
  return areReady && (await untilPrepared(postgres, await clients.place(), NOTICED_TIMEOUT_MS))
}

async function startAgain({ postgres: { server }, proxy }: TestBed): Promise<void> {
  await server.startAgain()
  proxy.retarget(server.port)
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
