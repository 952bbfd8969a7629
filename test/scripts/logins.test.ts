import { randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import pg from 'pg'
import { freePort } from '../support/free-port.ts'
import { openTestDatabase } from '../support/system.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'
import { spawnScript } from './spawn-script.ts'

const roles = ['api', 'dispatcher', 'worker', 'dashboard', 'operations']
const INSUFFICIENT_PRIVILEGE = '42501'
const INVALID_PASSWORD = '28P01'

describe('npm run logins', () => {
  const prefix = `comanda_test_${randomBytes(4).toString('hex')}`
  const directory = temporaryFolder()
  let opened: Awaited<ReturnType<typeof openTestDatabase>>

  before(async () => {
    opened = await openTestDatabase()
  })
  after(async () => {
    for (const role of roles) await opened.database.execute(`drop role if exists ${prefix}_${role}`)
    await opened.close()
  })

  const fileOf = (role: string) => join(directory, role, 'database_url')
  const urlOf = (role: string) => readFileSync(fileOf(role), 'utf8').trim()

  async function run(...args: string[]) {
    const all = ['--directory', directory, '--prefix', prefix, ...args]
    return await spawnScript('logins', all, { DATABASE_URL: opened.url }).ended
  }

  async function outcome(connectionString: string, sql: string): Promise<string> {
    const client = new pg.Client({ connectionString })
    try {
      await client.connect()
      const { rows } = await client.query<{ value?: string }>(sql)
      return rows[0]?.value ?? 'done'
    } catch (error) {
      return String((error as { code?: string }).code)
    } finally {
      await client.end()
    }
  }

  it('creates a login per process with only the permissions of this process, in a file that only its owner can read', async () => {
    const { status, stdout, stderr } = await run()
    expect([status, stderr]).to.deep.equal([0, ''])
    for (const role of roles) {
      const { username, password, pathname } = new URL(urlOf(role))
      expect([username, pathname]).to.deep.equal([`${prefix}_${role}`, new URL(opened.url).pathname])
      expect(Buffer.from(password, 'base64url')).to.have.lengthOf(32)
      expect(stdout).to.contain(username).and.not.contain(password)
      expect(statSync(fileOf(role)).mode & 0o777).to.equal(0o600)
      expect(await outcome(urlOf(role), 'select current_user as value')).to.equal(username)
    }
    const work: [sql: string, who: string[]][] = [
      ['select from orders', ['api', 'worker']],
      ['update outbox_events set attempts = attempts', ['dispatcher']],
      ['delete from pgboss.job', ['worker']],
      ['select from pgboss.job', ['dispatcher', 'worker', 'dashboard', 'operations']],
      ['insert into ops_audit default values', ['operations']],
      ['insert into menu_items default values', ['api']],
      ['create table x ()', []],
    ]
    for (const [sql, who] of work)
      for (const role of roles) {
        const refused = (await outcome(urlOf(role), sql)) === INSUFFICIENT_PRIVILEGE
        expect(refused, `${role}: ${sql}`).to.equal(!who.includes(role))
      }
  })

  it('keeps existing passwords when run again, and replaces them with --rotate', async () => {
    const before = roles.map(urlOf)
    expect((await run()).status).to.equal(0)
    expect(roles.map(urlOf)).to.deep.equal(before)
    for (const url of before) expect(await outcome(url, 'select')).to.equal('done')

    expect((await run('--rotate', '--mode', '444')).status).to.equal(0)
    for (const url of before) expect(await outcome(url, 'select')).to.equal(INVALID_PASSWORD)
    for (const role of roles) {
      expect(await outcome(urlOf(role), 'select')).to.equal('done')
      expect(statSync(fileOf(role)).mode & 0o777).to.equal(0o444)
    }
  })

  it('sends the server a SCRAM verifier and no password', async () => {
    // The server hashes a password according to its settings, but stores a verifier unchanged.
    const name = new URL(opened.url).pathname.slice(1)
    await opened.database.execute(`alter database ${name} set password_encryption = 'md5'`)
    expect((await run()).status).to.equal(0)
    const stored = `select rolpassword as value from pg_authid where rolname = '${prefix}_api'`
    expect(await outcome(opened.url, stored)).to.match(/^SCRAM-SHA-256\$4096:/)
  })

  it('gives the dashboard the permissions for all of its pages', async () => {
    const port = await freePort()
    const running = spawnScript('dashboard', ['--port', String(port)], {
      DATABASE_URL_FILE: fileOf('dashboard'),
      PGBOSS_DASHBOARD_AUTH_PASSWORD: 'open sesame',
    })
    const headers = { authorization: `Basic ${Buffer.from('operator:open sesame').toString('base64')}` }
    const look = async (path: string) => await fetch(`http://127.0.0.1:${port}${path}`, { headers })
    await until('it listens', () => look('/').then(Boolean, () => false))
    for (const path of ['/', '/queues', '/queues/order.prepare', '/jobs', '/schedules', '/warnings'])
      expect((await look(path)).status, path).to.equal(200)
    running.child.kill()
    const { stdout, stderr } = await running.ended
    expect(stdout + stderr).not.to.match(/permission denied/)
  })

  it('prints one line that names the error', async () => {
    const asApi = { DATABASE_URL_FILE: fileOf('api') }
    const args = ['--directory', temporaryFolder(), '--prefix', prefix]
    const wrong = new URL(opened.url)
    wrong.password = 'guessed'
    const endings: [string[], Record<string, string>, RegExp][] = [
      [
        [],
        { DATABASE_URL: opened.url },
        /^comanda: required option '--directory <FOLDER>' not specified[^\n]*\n$/,
      ],
      [
        ['--prefix', 'Robert"); --'],
        { DATABASE_URL: opened.url },
        /^comanda: option '--prefix <NAME>' argument 'Robert"\); --' is invalid[^\n]*\n$/,
      ],
      [
        args,
        { DATABASE_URL: wrong.href },
        /^comanda: Postgres rejected the login in DATABASE_URL: [^\n]*\n$/,
      ],
      [args, asApi, /^comanda: the login in DATABASE_URL lacks a permission: [^\n]*\n$/],
      [
        args,
        { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' },
        /^comanda: cannot reach the database in DATABASE_URL: [^\n]*\n$/,
      ],
    ]
    for (const [args, env, message] of endings) {
      const { status, stderr } = await spawnScript('logins', args, env).ended
      expect([status, stderr.match(message)?.[0]]).to.deep.equal([1, stderr])
    }
  })
})
