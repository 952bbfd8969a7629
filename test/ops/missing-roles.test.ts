import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import pg from 'pg'
import { migrate } from '../../src/processes/migrate.ts'
import { recordingLog } from '../support/log.ts'
import { PostgresServer } from '../support/postgres-server.ts'

const DEPLOYMENT = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'deployment.md'), 'utf8')
const GROUPS = ['comanda_api', 'comanda_dashboard', 'comanda_dispatcher', 'comanda_operations']

/** On a server of its own, because all databases of a server share their roles. */
describe('npm run migrate by an owner that may not create roles', () => {
  let server: PostgresServer
  let administrator: pg.Client

  before(async () => {
    server = await PostgresServer.start({ fsync: 'off' })
    administrator = new pg.Client({ connectionString: server.url })
    await administrator.connect()
    await administrator.query(`create role shop login password 'shop'`)
    await administrator.query('create database shop owner shop')
  })
  after(async () => {
    await administrator.end()
    await server.destroy()
  })

  /** Returns statements of docs/deployment.md, section Managed PostgreSQL. */
  function creations(kind: RegExp): string[] {
    const [, block = ''] = /```sql\n(create role [\s\S]*?)```/.exec(DEPLOYMENT) ?? []
    return block.split('\n').filter(line => kind.test(line))
  }

  async function warningsOfMigrate(): Promise<{ groups: unknown; msg: string }[]> {
    const url = new URL(server.url)
    Object.assign(url, { username: 'shop', password: 'shop', pathname: '/shop' })
    const { log, lines } = recordingLog()
    await migrate(url.href, log)
    return lines
      .filter(({ level }) => level === 40)
      .map(line => ({ groups: line['groups'], msg: line.msg.split(':', 1)[0] ?? '' }))
  }

  it('names the groups that are missing, then the groups without a login, then nothing', async () => {
    expect(await warningsOfMigrate()).to.deep.equal([
      {
        groups: [...GROUPS, 'comanda_operator', 'comanda_worker'],
        msg: 'these groups do not exist, and this login may not create them',
      },
    ])
    for (const statement of creations(/nologin/)) await administrator.query(statement)
    expect(await warningsOfMigrate()).to.deep.equal([
      {
        groups: ['comanda_api', 'comanda_dispatcher', 'comanda_worker'],
        msg: 'no login is a member of these groups, and this login may not create roles',
      },
    ])
    for (const statement of creations(/ login/)) await administrator.query(statement)
    expect(await warningsOfMigrate()).to.deep.equal([])
  })
})
