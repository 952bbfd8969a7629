import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { applyStep, readRecipe } from './follow-recipe.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const MAX_FILE_COUNT = 15
const run = promisify(execFile)

/**
 * With other packages installed than the lockfile has, `npm run` in the copy would run `npm ci`,
 * which empties the shared `node_modules` through the link.
 */
function assertInstalled(): void {
  const stamp = join(ROOT, 'node_modules', '.comanda-lock')
  const lock = createHash('sha256')
    .update(readFileSync(join(ROOT, 'package-lock.json')))
    .digest('hex')
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock)
    throw new Error('node_modules is not what package-lock.json says: run `npm run check` first')
}

/** Copies the project as git sees it, with uncommitted changes. The copy shares `node_modules`. */
async function copyProject(folder: string): Promise<void> {
  const list = ['ls-files', '--cached', '--others', '--exclude-standard', '-z']
  const { stdout } = await run('git', list, { cwd: ROOT, maxBuffer: 16 * 1024 * 1024 })
  for (const file of stdout.split('\0').filter(name => name !== ''))
    cpSync(join(ROOT, file), join(folder, file), { recursive: true, force: true })
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
}

describe('the recipe "Add an event with its job" of CONTRIBUTING.md', () => {
  const steps = readRecipe(readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8'), 'Add an event with its job')
  let folder: string

  before(async () => {
    assertInstalled()
    folder = temporaryFolder()
    await copyProject(folder)
  })
  after(() => folder && rmSync(folder, { recursive: true, force: true }))

  it(`changes at most ${MAX_FILE_COUNT} files by hand`, () => {
    const files = new Set(steps.map(({ file }) => file))
    expect(files.size).to.be.within(5, MAX_FILE_COUNT)
  })

  it('leads to a project whose checks and tests pass', async function () {
    this.timeout(300_000)
    for (const step of steps) applyStep(folder, step)
    // git tells the formatter and the linter which files are ignored.
    await run('git', ['init', '--quiet', '--initial-branch=main'], { cwd: folder })
    for (const command of [
      ['run', '--silent', 'format'],
      ['run', '--silent', 'generate'],
      ['run', '--silent', 'check'],
      [
        'run',
        '--silent',
        'test:one',
        '--',
        'test/orders/rate-order.test.ts',
        'test/http/contract.test.ts',
        'test/events/event-schemas.test.ts',
        'test/events/cloud-event.test.ts',
      ],
    ]) {
      const { error, output } = await npm(command)
      expect(error, `npm ${command.join(' ')}\n${output}`).to.equal(null)
    }
  })

  async function npm(args: string[]): Promise<{ error: Error | null; output: string }> {
    const options = { cwd: folder, maxBuffer: 64 * 1024 * 1024 }
    return await new Promise(done =>
      execFile('npm', args, options, (error, stdout, stderr) => done({ error, output: stdout + stderr })),
    )
  }
})
