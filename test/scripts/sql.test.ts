import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { describeResult, MAX_PRINTED_ROW_COUNT, type SqlResult } from '../../scripts/support/sql-table.ts'
import { freePort } from '../support/free-port.ts'
import { cloneDatabase, type TestDatabase } from '../support/postgres.ts'
import { type Ended, spawnScript } from './spawn-script.ts'

describe('npm run sql', () => {
  let database: TestDatabase
  let dataDir: string

  before(async () => {
    database = await cloneDatabase()
    dataDir = mkdtempSync(join(tmpdir(), 'comanda-sql-'))
  })
  after(async () => {
    rmSync(dataDir, { recursive: true, force: true })
    await database.drop()
  })

  /** Runs a query on the test's database. */
  function sql(query: string, input?: string): Promise<Ended> {
    return spawnScript('sql', [query], { DATABASE_URL: database.url }, input).ended
  }

  it('prints a table and how many rows it has', async () => {
    const { status, stdout, stderr } = await sql(`select n, n * 10 as ten from generate_series(1, 2) as n`)
    expect([status, stderr]).to.deep.equal([0, ''])
    expect(stdout.trim().split('\n')).to.deep.equal([
      '┌───┬─────┐',
      '│ n │ ten │',
      '├───┼─────┤',
      '│ 1 │  10 │',
      '│ 2 │  20 │',
      '└───┴─────┘',
      '2 rows',
    ])
  })

  it('keeps columns of the same name apart', async () => {
    expect((await sql('select 1 as a, 2 as a')).stdout)
      .to.include('│ a │ a │')
      .and.to.include('│ 1 │ 2 │')
  })

  it('shows null, times as ISO 8601 to the microsecond, and JSON compact with every digit', async () => {
    const { stdout } = await sql(`
      select null as nothing, timestamptz '2026-11-22 19:30:00.123456+01' as at, date '2026-11-22' as day,
        '{"a b": [1, 12345678901234567890], "c": null}'::jsonb as json, 1 = 1 as yes`)
    expect(stdout).to.include(
      '│ (null)  │ 2026-11-22T18:30:00.123456Z │ 2026-11-22 │ {"c":null,"a b":[1,12345678901234567890]} │ true │',
    )
  })

  it('lets no escape sequence out of the data', async () => {
    const { stdout } = await sql(`select chr(27) || '[31mred' as note`)
    expect(stdout).to.include('│ \\u001b[31mred │').and.not.include('\u001b')
  })

  it('says what each of several statements did', async () => {
    const { status, stdout } = await sql(`
      create temp table t (a int);
      insert into t values (1), (2);
      update t set a = 3 where a = 1;
      delete from t where a = 3 returning a`)
    const said = stdout.split('\n').filter(line => /^\w/.test(line))
    expect(status).to.equal(0)
    expect(said).to.deep.equal(['create: done', '2 rows inserted', '1 row updated', '1 row deleted'])
    expect(stdout).to.include('│ 3 │')
  })

  it('changes nothing when one of several statements fails', async () => {
    await sql(`
      insert into restaurants (restaurant_id, name, currency) values (gen_random_uuid(), 'Half Done', 'EUR');
      select 1 / 0`)
    expect((await sql(`select name from restaurants where name = 'Half Done'`)).stdout).to.include('0 rows')
  })

  it('runs a query that begins with a comment, which looks like an option', async () => {
    expect((await sql('-- the answer\nselect 42 as answer')).stdout).to.include('│     42 │')
  })

  it('takes the query from stdin for -', async () => {
    expect((await sql('-', 'select 42 as answer')).stdout).to.include('│     42 │')
  })

  it('does not look like a Comanda that the embedded database has to stay up for', async () => {
    const query = 'select application_name from pg_stat_activity where pid = pg_backend_pid()'
    expect((await sql(query)).stdout).to.include('│ comanda sql ')
  })

  it('finds the embedded database by the file in DATA_DIR', async () => {
    writeFileSync(join(dataDir, 'database.url'), `${database.url}\n`)
    const { stdout } = await spawnScript('sql', ['select count(*) from orders'], { DATA_DIR: dataDir }).ended
    expect(stdout).to.include('1 row')
  })

  it('prints the first rows of very many, and how many there are', async () => {
    const { stdout } = await sql(`select n from generate_series(1, ${MAX_PRINTED_ROW_COUNT + 5}) as n`)
    expect(stdout)
      .to.include(`│ ${MAX_PRINTED_ROW_COUNT} │`)
      .and.not.include(`│ ${MAX_PRINTED_ROW_COUNT + 1} │`)
    expect(stdout.trim().split('\n').at(-1)).to.equal('1005 rows, of which the first 1000')
  })

  it('ends without a word when the reader of its pipe goes away', async () => {
    const { child, ended } = spawnScript('sql', [`select repeat('x', 5000) from generate_series(1, 1000)`], {
      DATABASE_URL: database.url,
    })
    child.stdout?.once('data', () => child.stdout?.destroy())
    const errors: string[] = []
    child.stderr?.on('data', (chunk: Buffer) => errors.push(chunk.toString()))
    ended.catch(() => undefined) // its stdout was taken away
    const [status] = (await once(child, 'close')) as [number]
    expect([status, errors]).to.deep.equal([0, []])
  })

  describe('when it cannot', () => {
    it('points at the place of an error', async () => {
      const { status, stdout, stderr } = await sql('select 1,\n  nmae\nfrom restaurants')
      expect([status, stdout]).to.deep.equal([1, ''])
      expect(stderr.split('\n').slice(0, 3)).to.deep.equal([
        'comanda: column "nmae" does not exist (42703)',
        '    nmae',
        '    ^',
      ])
    })

    it('passes on what the server says about a constraint', async () => {
      const { status, stderr } = await sql(
        `insert into restaurants (restaurant_id, name, currency) values (gen_random_uuid(), 'x', 'eur')`,
      )
      expect(status).to.equal(1)
      expect(stderr).to.match(/^comanda: .*currencies_are_iso_4217_codes.* \(23514\)\ndetail: /)
    })

    it('says how it is used when there is no query', async () => {
      for (const args of [[], [''], ['  ']]) {
        const { status, stderr } = await spawnScript('sql', args, { DATABASE_URL: database.url }).ended
        expect(status).to.equal(1)
        expect(stderr)
          .to.match(/^comanda: no query given\n/)
          .and.include('Usage: npm run sql -- ')
      }
    })

    it('says to run npm start when the embedded database has not been started', async () => {
      const { status, stderr } = await spawnScript('sql', ['select 1'], { DATA_DIR: join(dataDir, 'none') })
        .ended
      expect([status, stderr]).to.deep.equal([
        1,
        'comanda: the embedded database is not running: `npm start` starts it\n',
      ])
    })

    it('says to run npm start when the embedded database was killed', async () => {
      const url = `postgres://comanda:secret@127.0.0.1:${await freePort()}/comanda`
      writeFileSync(join(dataDir, 'database.url'), url)
      const { status, stderr } = await spawnScript('sql', ['select 1'], { DATA_DIR: dataDir }).ended
      expect([status, stderr]).to.deep.equal([
        1,
        'comanda: the embedded database is not running: `npm start` starts it\n',
      ])
    })

    it('names DATABASE_URL when that is what cannot be reached, and keeps the password to itself', async () => {
      const url = `postgres://comanda:secret@127.0.0.1:${await freePort()}/comanda`
      const { status, stderr } = await spawnScript('sql', ['select 1'], { DATABASE_URL: url }).ended
      expect(status).to.equal(1)
      expect(stderr).to.match(/^comanda: cannot connect to the database in DATABASE_URL: .*ECONNREFUSED.*\n$/)
      expect(stderr).not.to.include('secret')
    })
  })

  it('shows a record a row where the table is wider than the terminal', () => {
    const fields = ['order_id', 'notes'].map(name => ({ name, dataTypeID: 25 }))
    const result = { command: 'SELECT', rowCount: 1, fields, rows: [['7', 'x'.repeat(50)]] } as SqlResult
    const lines = describeResult(result, 40).split('\n')
    expect(lines.slice(1, 4)).to.deep.equal([
      '│ order_id │ 7                         │',
      `│ notes    │ ${'x'.repeat(25)} │`,
      `│          │ ${'x'.repeat(25)} │`,
    ])
    expect(Math.max(...lines.map(line => line.length))).to.be.at.most(40)
    expect(describeResult(result, 100)).to.include('│ order_id │ notes ')
  })
})
