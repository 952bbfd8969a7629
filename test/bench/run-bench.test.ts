import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import pg from 'pg'
import { spawnScript } from '../scripts/spawn-script.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { untilSlowly } from '../support/until.ts'

describe('npm run bench', function () {
  this.timeout(240_000)

  it('ends its processes and deletes its data on SIGTERM', async () => {
    const folder = temporaryFolder()
    const args = ['--only', 'as-it-comes-apart', '--seconds', '60']
    const { child, ended } = spawnScript('../test/bench/run-bench', args, { TMPDIR: folder })
    const client = new pg.Client(
      await untilSlowly('the server of the bench', () => {
        const [data] = readdirSync(folder)
        const file = join(folder, data ?? '', 'database.url')
        return existsSync(file) && readFileSync(file, 'utf8').trim()
      }),
    )
    client.on('error', () => undefined)
    await client.connect()
    const worker = await untilSlowly('the worker of the bench', async () => {
      const read = client.query<{ pid: number }>(`select pid from pgboss.instance where name = 'worker'`)
      // The table does not exist before the migration.
      const { rows } = await read.catch(() => ({ rows: [] }))
      return rows[0]?.pid
    })
    child.kill('SIGTERM')
    expect((await ended).status).to.equal(143)
    expect(() => process.kill(worker, 0)).to.throw('ESRCH')
    expect(readdirSync(folder)).to.deep.equal([])
    rmSync(folder, { recursive: true })
  })
})
