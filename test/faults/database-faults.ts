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
