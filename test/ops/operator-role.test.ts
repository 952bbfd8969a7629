import { expect } from 'chai'
import type { Database } from '../../src/db/database.ts'
import { views } from '../../src/ops/refresh-views.ts'
import { OPERATOR_ROLE } from '../../src/ops/roles/grant-roles.ts'
import { openTestDatabase } from '../support/system.ts'

type Row = Record<string, unknown>

describe('the role comanda_operator', () => {
  let database: Database
  let close: () => Promise<void>

  before(async () => ({ database, close } = await openTestDatabase()))
  after(() => close())

  const asOperator = async (sql: string): Promise<Row[]> => {
    let found: Row[] = []
    await database.transaction(async tx => {
      await tx.execute(`set local role ${OPERATOR_ROLE}`)
      found = await tx.query<Row>(sql)
      await tx.execute('reset role')
    })
    return found
  }

  it('may read every view of ops', async () => {
    for (const { name } of views) await asOperator(`select * from ops.${name}`)
  })

  const refused = [
    'select * from orders',
    'select * from outbox_events',
    'select * from dead_letters',
    'select * from pgboss.job',
    'select * from ops_audit',
    'update ops.dead_letters set fate = null',
    'delete from ops.quarantined_events',
    `insert into ops.audit (actor) values ('eve')`,
    'create table public.mine (id integer)',
    'create view ops.mine as select 1',
    'drop view ops.queues',
  ]
  for (const sql of refused) {
    it(`may not run: ${sql}`, async () => {
      const error = await asOperator(sql).then(
        () => undefined,
        (error: Error) => error,
      )
      expect(error?.message).to.match(/permission denied|must be owner/)
    })
  }
})
