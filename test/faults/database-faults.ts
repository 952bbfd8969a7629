import { setTimeout as delay } from 'node:timers/promises'
import type { Fault } from './fault.ts'

/** Postgres, or the way to it, that fails. */

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
  about: 'the connections that LISTEN are ended',
  run: async ({ postgres }) => {
    await postgres.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'comanda-%-listen'`,
    )
    return []
  },
}

export const killPostgres: Fault = {
  name: 'kill-postgres',
  about: 'kill -9 of Postgres; it is back after 3 s and recovers',
  run: async ({ postgres, proxy }) => {
    postgres.kill()
    await delay(3_000)
    await postgres.startAgain()
    proxy.retarget(postgres.port)
    return []
  },
}

export const restartPostgres: Fault = {
  name: 'restart-postgres',
  about: 'Postgres is stopped in order and started again',
  run: async ({ postgres, proxy }) => {
    await postgres.stop()
    await delay(1_000)
    await postgres.startAgain()
    proxy.retarget(postgres.port)
    return []
  },
}

export const halfOpen: Fault = {
  name: 'half-open',
  about: 'for 8 s nothing passes between the processes and Postgres, and no connection says so',
  run: async ({ proxy }) => {
    proxy.freeze()
    await delay(8_000)
    proxy.thaw()
    return []
  },
}

export const latency: Fault = {
  name: 'latency',
  about: '200 ms more for each packet to and from Postgres, for 8 s',
  run: async ({ proxy }) => {
    proxy.delay(200)
    await delay(8_000)
    proxy.delay(0)
    return []
  },
}
