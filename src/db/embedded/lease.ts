import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { connectionString } from './connection.ts'

/**
 * Key of the advisory lock of the embedded server: shared while a process uses the server,
 * exclusive while one stops it. So no process adopts a server that another one is stopping.
 */
const SERVER_LOCK = 7_226_633
const CONNECT_TIMEOUT_MS = 3_000
/** Postgres ends the lease of a killed process far sooner. */
const LAST_LEASE_TIMEOUT_MS = 1_000
const POLL_MS = 20

/** The use of the embedded server by one process. Postgres ends it when the process dies. */
export interface Lease {
  release(): Promise<void>
}

/** @throws when the server is being stopped */
export async function takeLease(port: number, password: string): Promise<Lease> {
  const client = await connect(port, password)
  try {
    await client.query('select pg_advisory_lock_shared($1)', [SERVER_LOCK])
  } catch (error) {
    await end(client)
    throw error
  }
  return {
    release: async () => {
      // Before the session ends, so that the lock is free when this returns.
      await client.query('select pg_advisory_unlock_shared($1)', [SERVER_LOCK]).catch(() => undefined)
      await end(client)
    },
  }
}

/**
 * Calls `stop` while no process uses the server and none can begin to. No process can use a server
 * that does not answer.
 * @returns whether `stop` was called
 */
export async function whenUnused(
  port: number,
  password: string,
  stop: () => Promise<void>,
): Promise<boolean> {
  const client = await connect(port, password).catch(() => undefined)
  try {
    const isFree = client ? await becomesFree(client).catch(() => undefined) : true
    // The connection was ended, e.g. because another process stops the server.
    if (isFree === undefined) return await whenUnused(port, password, stop)
    if (isFree) await stop()
    return isFree
  } finally {
    if (client) await end(client)
  }
}

async function becomesFree(client: pg.Client): Promise<boolean> {
  const deadline = performance.now() + LAST_LEASE_TIMEOUT_MS
  while (!(await isFree(client))) {
    if (performance.now() > deadline) return false
    await delay(POLL_MS)
  }
  return true
}

async function isFree(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ free: boolean }>('select pg_try_advisory_lock($1) as free', [
    SERVER_LOCK,
  ])
  return rows[0]?.free === true
}

async function connect(port: number, password: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: connectionString(port, password, 'postgres'),
    application_name: 'comanda embedded',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

async function end(client: pg.Client): Promise<void> {
  await client.end().catch(() => undefined)
}
