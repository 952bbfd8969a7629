import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { pino } from 'pino'
import { Database } from '../../src/db/database.ts'
import { migrate } from '../../src/processes/migrate.ts'
import { PostgresServer } from './postgres-server.ts'
import { createRoleLogins, dropRoleLogins } from './role-logins.ts'

/**
 * The PostgreSQL server of the test suite. Each test file clones its database from one migrated
 * template.
 */

interface TestServer {
  /** connection string of the maintenance database */
  url: string
  stop: () => Promise<void>
}

const TEMPLATE = `comanda_template_${randomBytes(4).toString('hex')}`
const log = pino({ level: 'warn' })
let server: TestServer | undefined

/**
 * Uses the server of `TEST_DATABASE_URL`, or starts a container if `TEST_DB=docker`, or the
 * embedded server.
 */
export async function startTestServer(): Promise<void> {
  server = await chooseServer()
  await createDatabase(TEMPLATE)
  await migrate(urlOf(TEMPLATE), log)
  await onTemplate(createRoleLogins)
}

export async function stopTestServer(): Promise<void> {
  if (!server) return
  await onTemplate(dropRoleLogins)
  await administer(`drop database if exists ${TEMPLATE} with (force)`)
  await server.stop()
}

export interface TestDatabase {
  url: string
  drop: () => Promise<void>
}

/** Creates a migrated database without rows for one test file. */
export async function cloneDatabase(): Promise<TestDatabase> {
  return await newDatabase(TEMPLATE)
}

/** Creates a database without any tables. */
export async function blankDatabase(): Promise<TestDatabase> {
  return await newDatabase('template0')
}

async function newDatabase(template: string): Promise<TestDatabase> {
  const name = `comanda_test_${randomBytes(6).toString('hex')}`
  await createDatabase(name, template)
  return { url: urlOf(name), drop: () => administer(`drop database if exists ${name} with (force)`) }
}

async function chooseServer(): Promise<TestServer> {
  const url = process.env['TEST_DATABASE_URL']
  if (url) return { url, stop: async () => undefined }
  return process.env['TEST_DB'] === 'docker' ? await containerServer() : await embeddedServer()
}

async function containerServer(): Promise<TestServer> {
  const { PostgreSqlContainer } = await import('@testcontainers/postgresql')
  const container = await new PostgreSqlContainer('postgres:18-bookworm')
    .withCommand(['postgres', '-c', 'fsync=off', '-c', 'max_connections=300'])
    .start()
  return { url: container.getConnectionUri(), stop: async () => void (await container.stop()) }
}

async function embeddedServer(): Promise<TestServer> {
  const embedded = await PostgresServer.start({ fsync: 'off', max_connections: '300' })
  return { url: embedded.url, stop: () => embedded.destroy() }
}

async function onTemplate(work: (database: Database) => Promise<void>): Promise<void> {
  const database = await Database.open({
    url: urlOf(TEMPLATE),
    applicationName: 'test',
    poolCount: 1,
    timeoutMs: 10_000,
    log,
  })
  try {
    await work(database)
  } finally {
    await database.close()
  }
}

async function createDatabase(name: string, template = 'template0'): Promise<void> {
  await administer(`create database ${name} template ${template}`)
}

function urlOf(database: string): string {
  const url = new URL(server?.url ?? 'postgres://no-test-server')
  url.pathname = `/${database}`
  return url.href
}

/** Runs one statement on the maintenance database, as its superuser. */
export async function administer(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: server?.url })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
