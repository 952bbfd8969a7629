import type { Config } from '../../src/platform/config.ts'
import type { Logger } from '../../src/platform/log.ts'
import * as api from '../../src/processes/api.ts'
import * as dispatcher from '../../src/processes/dispatcher.ts'
import type { Service } from '../../src/processes/service.ts'
import * as worker from '../../src/processes/worker.ts'
import { type Child, startChild } from './child.ts'
import { asRole, type ProcessRole } from './role-logins.ts'

/**
 * Starts roles on the database at `url`, the owner's URL, but with the login of the role.
 * Statements that the grants of the role do not cover fail.
 */

export async function startApi(config: Config, url: string, log: Logger): Promise<api.ApiService> {
  return await api.startApi(config, asRole('api', url), log)
}

export async function startDispatcher(config: Config, url: string, log: Logger): Promise<Service> {
  return await dispatcher.startDispatcher(config, asRole('dispatcher', url), log)
}

export async function startWorker(config: Config, url: string, log: Logger): Promise<Service> {
  return await worker.startWorker(config, asRole('worker', url), log)
}

/** Starts a role as a child process. */
export function startRoleProcess(role: ProcessRole, url: string, env: Record<string, string> = {}): Child {
  return startChild(['src/main.ts', role], { DATABASE_URL: asRole(role, url), PORT: '0', ...env })
}
