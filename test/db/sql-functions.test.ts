import { expect } from 'chai'
import type { Database } from '../../src/db/database.ts'
import { firstIdOf } from '../../src/platform/ids.ts'
import { openTestDatabase } from '../support/system.ts'

const functionsSql = `
  select p.oid::regproc::text as name, array(select format_type(t, null) from unnest(p.proargtypes) as t) as types
  from pg_proc as p
  join pg_language as l on l.oid = p.prolang
  where l.lanname = 'sql'
    and p.pronamespace in ('public'::regnamespace, 'ops'::regnamespace)
  order by name
`

describe('SQL functions', () => {
  let database: Database
  let close: () => Promise<void>

  before(async () => {
    const test = await openTestDatabase()
    database = test.database
    close = test.close
  })
  after(() => close())

  // PostgreSQL 18.4 crashes when it executes one to choose the partitions that a statement reads.
  it('are inlined, so that no statement executes one', async () => {
    const functions = await database.query<{ name: string; types: string[] }>(functionsSql)
    expect(functions.map(({ name }) => name)).to.include('uuidv7_at')
    for (const { name, types } of functions) {
      const columns = types.map((type, index) => `null::${type} as a${index}`)
      const call = `${name}(${types.map((_, index) => `a${index}`).join(', ')})`
      const plan = await database.query(
        `explain (verbose) select ${call} from (select ${columns.join(', ')} offset 0) as t`,
      )
      expect(JSON.stringify(plan)).not.to.include(name)
    }
  })

  it('compute the smallest UUIDv7 of a time, cut to milliseconds', async () => {
    const times = ['2026-11-28T12:49:17.647Z', '1970-01-01T00:00:00.000Z', '2099-12-31T23:59:59.999Z']
    for (const time of times) {
      const [row] = await database.query('select uuidv7_at($1::timestamptz) as id', [time])
      expect(row).to.deep.equal({ id: firstIdOf(Date.parse(time)) })
    }
    const [row] = await database.query(`select uuidv7_at('2026-11-28T12:49:17.647999Z') as id`)
    expect(row).to.deep.equal({ id: firstIdOf(Date.parse('2026-11-28T12:49:17.647Z')) })
  })
})
