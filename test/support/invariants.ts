import { expect } from 'chai'
import type { Sql } from '../../src/db/transaction.ts'
import { checks } from '../../src/ops/invariants/invariants.ts'

/** Expects every invariant view in `ops` to be empty. */
export async function expectInvariants(sql: Sql): Promise<void> {
  for (const { name, comment } of checks) {
    expect(await sql.query(`select * from ops.${name}`), comment).to.deep.equal([])
  }
}
