import { expect } from 'chai'
import type { Database } from '../../src/db/database.ts'
import type { Tx } from '../../src/db/transaction.ts'
import { DatabaseUnavailable, Overloaded } from '../../src/platform/errors.ts'
import { openTestDatabase } from '../support/system.ts'
import { until } from '../support/until.ts'

describe('transactions', () => {
  let database: Database
  let close: () => Promise<void>

  before(async () => {
    const test = await openTestDatabase()
    database = test.database
    close = test.close
    await database.execute('create table notes (id integer primary key, text text not null)')
  })
  after(() => close())
  beforeEach(async () => {
    await database.execute('truncate notes')
    await database.execute(`insert into notes values (1, 'one'), (2, 'two')`)
  })

  const texts = async () =>
    (await database.query<{ text: string }>('select text from notes order by id')).map(({ text }) => text)

  it('names each statement, but none that defines a table, a view or a privilege', async () => {
    // Other tests of this process have used up the names.
    const fresh = '../../src/db/transaction.ts?fresh'
    const { namedStatement } = (await import(fresh)) as typeof import('../../src/db/transaction.ts')
    for (const text of [
      `comment on view ops.a is 'b'`,
      '\n  create view ops.a as select 1',
      'grant select on a to b',
      'select 1; select 2',
    ])
      expect(namedStatement(text)).to.not.have.property('name')
    expect(namedStatement('select 1')).to.have.property('name')
  })

  it('commits all statements or none', async () => {
    const failure = await database
      .transaction(async tx => {
        await tx.execute(`insert into notes values (3, 'three')`)
        throw new Error('changed my mind')
      })
      .catch((error: unknown) => error)
    expect(failure).to.have.property('message', 'changed my mind')
    expect(await texts()).to.deep.equal(['one', 'two'])
  })

  it('completes both of two transactions that deadlock', async () => {
    let attempts = 0
    let arrived = 0
    const cross = (first: number, second: number) =>
      database.transaction(async tx => {
        attempts++
        await tx.execute('update notes set text = text || $2 where id = $1', [first, '+'])
        arrived++
        await until('both hold their first lock', () => arrived >= 2)
        await tx.execute('update notes set text = text || $2 where id = $1', [second, '+'])
      })
    await Promise.all([cross(1, 2), cross(2, 1)])
    expect(await texts()).to.deep.equal(['one++', 'two++'])
    expect(attempts).to.be.above(2)
  })

  it('survive a failed statement with a NOTIFY behind it: the next statement works', async () => {
    const sql = database.notifying('notes')
    const failure = await sql.query(`insert into notes values (1, 'again')`).catch((error: unknown) => error)
    expect(failure).to.have.property('code', '23505')
    await sql.query(`insert into notes values (3, 'three')`)
    expect(await texts()).to.deep.equal(['one', 'two', 'three'])
    await until('both connections are free', () => {
      const { total, idle } = database.poolCounts()
      return total === idle
    })
  })

  it('rolls back a savepoint alone, including its callbacks', async () => {
    const notices: string[] = []
    await database.transaction(async tx => {
      tx.afterCommit(() => notices.push('kept'))
      await tx.execute(`insert into notes values (3, 'three')`)
      const failure = await tx
        .savepoint(async () => {
          tx.afterCommit(() => notices.push('undone'))
          await tx.execute(`insert into notes values (4, 'four')`)
          await tx.execute(`insert into notes values (1, 'a second one')`)
        })
        .catch((error: unknown) => error)
      expect(failure).to.have.property('code', '23505')
    })
    expect(await texts()).to.deep.equal(['one', 'two', 'three'])
    expect(notices).to.deep.equal(['kept'])
  })

  it('commits after pipelined work, and not if that fails', async () => {
    const causes: unknown[] = []
    await database.transaction(async tx => {
      tx.pipeline(tx.execute(`insert into notes values (3, 'three')`))
    })
    const failure = await database
      .transaction(async tx => {
        tx.afterRollback(cause => causes.push(cause))
        tx.pipeline(tx.execute(`insert into notes values (1, 'a second one')`))
        await tx.execute(`insert into notes values (4, 'four')`)
      })
      .catch((error: unknown) => error)
    expect(failure, 'the first failure, not that of a statement behind it').to.have.property('code', '23505')
    const doubt = new Error('wrote nothing')
    const unsure = database.transaction(async tx => {
      await tx.execute(`insert into notes values (5, 'five')`)
      tx.pipeline(Promise.reject(doubt))
    })
    expect(await unsure.catch((error: unknown) => error)).to.equal(doubt)
    expect(await texts()).to.deep.equal(['one', 'two', 'three'])
    expect(causes).to.deep.equal([failure])
  })

  it('runs pipelined work again after a deadlock', async () => {
    let arrived = 0
    const cross = (first: number, second: number) =>
      database.transaction(async tx => {
        await tx.execute('update notes set text = text || $2 where id = $1', [first, '+'])
        arrived++
        await until('both hold their first lock', () => arrived >= 2)
        tx.pipeline(tx.execute('update notes set text = text || $2 where id = $1', [second, '+']))
      })
    await Promise.all([cross(1, 2), cross(2, 1)])
    expect(await texts()).to.deep.equal(['one++', 'two++'])
  })

  it('calls no commit callback after a rollback', async () => {
    const notices: string[] = []
    await database
      .transaction(async tx => {
        tx.afterCommit(() => notices.push('too early'))
        throw new Error('no')
      })
      .catch(() => undefined)
    expect(notices).to.deep.equal([])
  })

  it('rejects a statement after the end', async () => {
    let late: Tx | undefined
    await database.transaction(async tx => {
      late = tx
    })
    const failure = await late?.execute('delete from notes').catch((error: unknown) => error)
    expect(failure).to.have.property('message', 'Transaction has already ended')
    expect(await texts()).to.have.length(2)
  })

  it('throws DatabaseUnavailable when its connection is cut, and the next transaction succeeds', async () => {
    const failure = await database
      .transaction(async tx => {
        const [row] = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
        await database.query('select pg_terminate_backend($1)', [row?.pid])
        await tx.execute(`insert into notes values (3, 'three')`)
      })
      .catch((error: unknown) => error)
    expect(failure).to.be.instanceOf(DatabaseUnavailable)
    expect(await texts()).to.deep.equal(['one', 'two'])
  })

  it('returns the connection to the pool however the transaction ends', async () => {
    for (const statement of [
      'select 1',
      'select broken',
      'select 1 / 0',
      'select pg_terminate_backend(pg_backend_pid())',
    ]) {
      await database.transaction(tx => tx.execute(statement)).catch(() => undefined)
    }
    await until('no connection is in use', () => database.poolCounts().total === database.poolCounts().idle)
  })

  it('throws Overloaded when too many callers wait for a connection', async () => {
    const gates = await Promise.all(Array.from({ length: 10 }, () => database.beginTransaction()))
    const waiting = Promise.allSettled(Array.from({ length: 600 }, () => database.query('select 1')))
    for (const gate of gates) await gate.rollback()
    const refused = (await waiting).filter(outcome => outcome.status === 'rejected')
    expect(refused).to.have.length(100)
    for (const { reason } of refused) expect(reason).to.be.instanceOf(Overloaded)
  })
})
