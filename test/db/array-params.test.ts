import { expect } from 'chai'
import { v7 as uuidv7 } from 'uuid'
import { bigints, integers, jsonbs, smallints, texts, timestamps, uuids } from '../../src/db/array-params.ts'
import type { Database } from '../../src/db/database.ts'
import { openTestDatabase } from '../support/system.ts'

describe('array parameters', () => {
  let database: Database
  let close: () => Promise<void>

  before(async () => {
    const test = await openTestDatabase()
    database = test.database
    close = test.close
  })
  after(() => close())

  const id = uuidv7()
  const at = new Date('1999-12-31T23:59:59.999Z')
  const strange = 'Crème brûlée 🍮 "x" \\ {},'
  const cases = {
    uuid: { write: uuids, values: [id, null, id.toUpperCase()], read: [id, null, id] },
    smallint: { write: smallints, values: [-32_768, null, 32_767], read: [-32_768, null, 32_767] },
    integer: { write: integers, values: [-2_147_483_648, null, 7], read: [-2_147_483_648, null, 7] },
    bigint: {
      write: bigints,
      values: [Number.MAX_SAFE_INTEGER, null, -1],
      read: [Number.MAX_SAFE_INTEGER, null, -1],
    },
    timestamptz: { write: timestamps, values: [at, null, new Date(0)], read: [at, null, new Date(0)] },
    text: { write: texts, values: [strange, null, ''], read: [strange, null, ''] },
    jsonb: { write: jsonbs, values: [{ a: [strange] }, null, {}], read: [{ a: [strange] }, null, {}] },
  }

  for (const [type, { write, values, read }] of Object.entries(cases)) {
    const writeAny = write as (values: readonly unknown[]) => Buffer

    it(`arrive in Postgres unchanged: ${type}`, async () => {
      const rows = await database.query<{ value: unknown }>(
        `select value from unnest($1::${type}[]) as value`,
        [writeAny(values)],
      )
      expect(rows.map(({ value }) => value)).to.deep.equal(read)
    })

    it(`may be empty: ${type}`, async () => {
      expect(
        await database.query(`select value from unnest($1::${type}[]) as value`, [writeAny([])]),
      ).to.deep.equal([])
    })
  }

  it('reject an invalid id before sending the statement', () => {
    expect(() => uuids(['nonsense'])).to.throw(TypeError, 'not a UUID: "nonsense"')
    expect(() => uuids([`${id}0`])).to.throw(TypeError)
  })

  it('reject numbers outside the range of their type', () => {
    expect(() => smallints([32_768])).to.throw(RangeError)
    expect(() => integers([2 ** 31])).to.throw(RangeError)
    expect(() => bigints([0.5])).to.throw(RangeError)
  })
})
