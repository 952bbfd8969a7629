import { type AddressInfo, createServer } from 'node:net'
import { expect } from 'chai'
import pg from 'pg'
import { Connection } from '../../src/db/connection.ts'
import { Database } from '../../src/db/database.ts'
import { isUnavailable } from '../../src/db/sql-errors.ts'
import { unavailableReason } from '../../src/db/unavailable-reason.ts'
import { DatabaseUnavailable } from '../../src/platform/errors.ts'
import { quiet } from '../support/log.ts'
import { openTestDatabase } from '../support/system.ts'

describe('an unavailable database', () => {
  let opened: Awaited<ReturnType<typeof openTestDatabase>>

  before(async () => {
    opened = await openTestDatabase()
  })
  after(() => opened.close())

  const withCode = (code: string) => Object.assign(new Error('message'), { code })

  it('differs from a wrong statement by its SQLSTATE or error code', () => {
    const unavailable =
      '08000 08006 25006 25P03 25P04 28000 28P01 3D000 53000 53100 53200 53300 53400 57000 57014 57P01 57P02 57P03 57P04 57P05 58000 58030 58P01 EAI_AGAIN ECONNREFUSED ECONNRESET EHOSTUNREACH ENETUNREACH ENOTFOUND EPIPE ETIMEDOUT'
    for (const code of unavailable.split(' ')) expect(isUnavailable(withCode(code)), code).to.equal(true)
    for (const code of ['22008', '23505', '25001', '25P02', '42501', '55000', 'P0001', '57', 'ENOENT'])
      expect(isUnavailable(withCode(code)), code).to.equal(false)
  })

  it('is every failure to connect, whatever its code', async () => {
    const { database, url } = opened
    const name = new URL(url).pathname.slice(1)
    const open = async (change: (url: URL) => void) => {
      const changed = new URL(url)
      change(changed)
      const options = {
        url: changed.href,
        applicationName: 'test',
        poolCount: 1,
        timeoutMs: 1_000,
        log: quiet,
      }
      const outcome = await Database.open(options).then(
        database => database.close(),
        (error: unknown) => error,
      )
      expect(outcome, changed.href).to.be.instanceOf(DatabaseUnavailable)
      return unavailableReason(outcome)
    }
    expect(await open(url => (url.port = '1'))).to.equal('it cannot be reached (ECONNREFUSED)')
    expect(await open(url => (url.hostname = 'database.invalid'))).to.match(
      /^it cannot be reached \((ENOTFOUND|EAI_AGAIN)\)$/,
    )
    expect(await open(url => (url.password = 'wrong'))).to.equal('it rejects the login (28P01)')
    expect(await open(url => (url.pathname = '/none'))).to.equal('it does not exist (3D000)')
    // 55000: the database does not accept connections.
    await database.execute(`create database ${name}_closed with allow_connections false`)
    try {
      expect(await open(url => (url.pathname = `/${name}_closed`))).to.equal('it cannot be reached (55000)')
    } finally {
      await database.execute(`drop database ${name}_closed`)
    }
  })

  it('is a connection that ends before the first answer, and the process works on', async () => {
    const authenticated = Buffer.concat([
      Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0]), // AuthenticationOk
      Buffer.from([0x5a, 0, 0, 0, 5, 0x49]), // ReadyForQuery, idle
    ])
    const server = createServer(socket => {
      socket.once('data', () => {
        socket.write(authenticated)
        socket.once('data', () => socket.destroy())
      })
    })
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
    const { port } = server.address() as AddressInfo
    const pool = new pg.Pool({ Client: Connection, host: '127.0.0.1', port, user: 'me' })
    const failure = await pool.query('select 1').catch((error: unknown) => error)
    expect(failure).to.be.instanceOf(DatabaseUnavailable)
    await pool.end()
    await new Promise(done => server.close(done))
  })

  it('costs its connection when Postgres is read-only, because that may be a standby', async () => {
    const database = await Database.open({
      url: opened.url,
      applicationName: 'test',
      poolCount: 1,
      timeoutMs: 1_000,
      log: quiet,
    })
    const pids = async () => await database.query<{ pid: number }>('select pg_backend_pid() as pid')
    const before = await pids()
    const failure = await database
      .transaction(async tx => {
        await tx.execute('set transaction read only')
        await tx.execute(
          `insert into restaurants (restaurant_id, name, currency) values (uuidv7(), 'x', 'EUR')`,
        )
      })
      .catch((error: unknown) => error)
    expect(failure).to.be.instanceOf(DatabaseUnavailable)
    expect(unavailableReason(failure)).to.equal('it is read-only (25006)')
    expect(await pids()).not.to.deep.equal(before)
    await database.close()
  })
})
