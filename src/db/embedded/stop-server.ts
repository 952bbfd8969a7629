import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { whenUnused } from './lease.ts'
import type { EmbeddedPaths } from './paths.ts'
import { isAlive, pidFileOf, readPidFile } from './pid-file.ts'

const IMMEDIATE_TIMEOUT_MS = 1_000
const POLL_MS = 20

/**
 * Stops the server unless another process uses it: in "fast" mode, which disconnects its clients,
 * and after `timeoutMs` in "immediate" mode, after which the next start recovers.
 * @returns whether it has stopped
 */
export async function stopServer(
  paths: Pick<EmbeddedPaths, 'data'>,
  port: number,
  password: string,
  timeoutMs: number,
): Promise<boolean> {
  const server = readPidFile(paths)
  if (server === undefined || server === 'incomplete' || !isAlive(server.pid)) return true
  const isUp = () => isAlive(server.pid) && existsSync(pidFileOf(paths))
  return await whenUnused(port, password, async () => {
    if (!isUp()) return
    process.kill(server.pid, 'SIGINT')
    if (await untilFalse(isUp, timeoutMs)) return
    process.kill(server.pid, 'SIGQUIT')
    if (!(await untilFalse(isUp, IMMEDIATE_TIMEOUT_MS)))
      throw new Error(`the embedded PostgreSQL (pid ${server.pid}) did not stop`)
  })
}

async function untilFalse(condition: () => boolean, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (condition()) {
    if (performance.now() > deadline) return false
    await delay(POLL_MS)
  }
  return true
}
