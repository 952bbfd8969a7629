import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import { addDeadLetters } from '../ops/incidents.ts'
import { quiet } from '../support/log.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { until } from '../support/until.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const [manual = ''] = readFileSync(join(ROOT, 'docs', 'operations.md'), 'utf8').split('\n## Runbook\n')

/** Returns the commands of a section that call the API, or run SQL, in order. */
function commandsOf(section: string): string[] {
  const [, rest = ''] = manual.split(new RegExp(`\\n##+ ${section}\\n`))
  const [content = ''] = rest.split(/\n##+ /)
  return [...content.matchAll(/```sh\n([\s\S]*?)```/g)]
    .flatMap(([, block = '']) => block.trim().split('\n'))
    .filter(command => /^(curl|npm run sql) /.test(command))
}

describe('the commands of docs/operations.md that call the API', () => {
  let system: TestSystem

  before(async () => {
    system = await startSystem(['api', 'operations'], quiet)
  })
  after(() => system.stop())

  /** Runs a command with `$API` of the API. @returns its output @throws when it is refused */
  async function run(command = 'exit 1'): Promise<string> {
    const script = command
      .replace('curl ', 'curl --fail-with-body ')
      .replace('npm run sql --', `${process.execPath} scripts/sql.ts`)
    const child = spawn('sh', ['-c', `${script} 2>&1`], {
      cwd: ROOT,
      env: { ...process.env, DATABASE_URL: system.url, API: `${system.api.baseUrl}/api/v1` },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const status = new Promise<number | null>(done => child.once('close', done))
    const [code, output] = await Promise.all([status, text(child.stdout)])
    expect(code, `${command}\n${output}`).to.equal(0)
    return output
  }

  it('find an order by its code', async () => {
    const [find, ...more] = commandsOf('Page, command, SQL and HTTP side by side')
    expect(JSON.parse(await run(find))).to.deep.equal([])
    expect(more).to.deep.equal([])
  })

  it('pause and resume a queue', async () => {
    const [pause, resume, ...more] = commandsOf('Changes')
    expect(JSON.parse(await run(pause))).to.include({ paused: true, changed: true })
    expect(JSON.parse(await run(resume))).to.include({ paused: false, changed: true })
    expect(more).to.deep.equal([])
  })

  it('preview an action, start it, and show its result', async () => {
    await addDeadLetters(system.database, 2, { error: 'canceling statement due to lock timeout' })
    await addDeadLetters(system.database, 1, { error: 'no such item' })
    const [preview, start, list, ...more] = commandsOf('Actions on everything that matches')
    expect(JSON.parse(await run(preview))).to.include({ count: 2 })
    expect(JSON.parse(await run(start))).to.include({ status: 'RUNNING', matched_count: 2 })
    await until('the action has ended', async () => {
      const rows = await system.database.query(`select from ops.actions where status = 'DONE'`)
      return rows.length === 1
    })
    expect(await run(list)).to.include('2 of 2 dead letters redriven')
    expect(more).to.deep.equal([])
  })
})
