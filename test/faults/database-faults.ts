import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import type { Fault } from './fault.ts'

/** Failures of Postgres and of the network in front of it. */

export const terminateBackends: Fault = {
  name: 'terminate-backends',
  about: 'pg_terminate_backend on every connection, five times',
  run: async ({ postgres }) => {
    for (let round = 0; round < 5; round++) {
      await postgres.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'comanda-%' and pid <> pg_backend_pid()`,
      )
      await delay(300)
    }
    return []
  },
}

export const killListeners: Fault = {
  name: 'kill-listeners',
  about: 'pg_terminate_backend on every LISTEN connection',
  run: async ({ postgres }) => {
    await postgres.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'comanda-%-listen'`,
    )
    return []
  },
}

export const killPostgres: Fault = {
  name: 'kill-postgres',
  about: 'kill -9 of Postgres; it starts again after 3 s with crash recovery',
  run: async ({ postgres: { server }, proxy }) => {
    server.kill()
    await delay(3_000)
    await server.startAgain()
    proxy.retarget(server.port)
    return []
  },
}

export const restartPostgres: Fault = {
  name: 'restart-postgres',
  about: 'clean shutdown of Postgres; it starts again after 1 s',
  run: async ({ postgres: { server }, proxy }) => {
    await server.shutDown()
    await delay(1_000)
    await server.startAgain()
    proxy.retarget(server.port)
    return []
  },
}

/** Programs that have the process id of the killed server. Each ends with its standard input. */
const foreignPrograms = [
  { name: 'another program', command: 'cat', args: [] },
  {
    name: 'a PostgreSQL server of other data',
    command: 'sh',
    args: ['-c', 'read line', '-D', '/var/lib/other'],
    argv0: 'postgres',
  },
] as const

export const foreignPostmasterPid: Fault = {
  name: 'foreign-postmaster-pid',
  about:
    'kill -9 of Postgres; its postmaster.pid then names a living process of another program or of another PostgreSQL server',
  run: async ({ postgres: { server }, proxy, random }) => {
    const { name, command, args, ...options } = random.pick(foreignPrograms)
    const foreign = spawn(command, args, { ...server.account(), ...options, cwd: '/', stdio: 'pipe' })
    const failures: string[] = []
    server.kill()
    server.leavePid(foreign.pid ?? 0)
    try {
      await server.startAgain()
    } catch (error) {
      failures.push(`Postgres does not start: ${(error as Error).message}`)
      server.deletePidFile()
      await server.startAgain()
    }
    proxy.retarget(server.port)
    if (hasEnded(foreign)) failures.push(`${name}, which postmaster.pid named, has ended`)
    foreign.stdin.end()
    return failures
  },
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

export const halfOpen: Fault = {
  name: 'half-open',
  about: 'for 8 s no data passes between the processes and Postgres, and all connections stay open',
  run: async ({ proxy }) => {
    proxy.freeze()
    await delay(8_000)
    proxy.thaw()
    return []
  },
}

export const latency: Fault = {
  name: 'latency',
  about: '200 ms of added latency in each direction to Postgres, for 8 s',
  run: async ({ proxy }) => {
    proxy.delay(200)
    await delay(8_000)
    proxy.delay(0)
    return []
  },
}
