import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import { addDemoMenu } from '../../src/inventory/add-demo-menu.ts'
import { freePort } from '../support/free-port.ts'
import { startSystem, type TestSystem } from '../support/system.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
const tutorial = readFileSync(join(ROOT, 'docs', 'tutorial.md'), 'utf8')

const SHELL_TIMEOUT_MS = 50_000

/** Returns the `sh` blocks of a Markdown text, in order. */
function blocksOf(markdown: string): string[] {
  return [...markdown.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = '']) => block)
}

/** Returns the text under a heading of the second level. */
function sectionOf(markdown: string, heading: string): string {
  const [, rest = ''] = markdown.split(`\n## ${heading}\n`)
  return rest.split('\n## ')[0] ?? ''
}

/** Replaces ids and times, which differ from run to run. */
function normalized(output: string): string {
  return output
    .replaceAll(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, '<id>')
    .replaceAll(/"code":"[\dA-Z]{4}"/g, '"code":"<code>"')
    .replaceAll(/"http:\/\/localhost:\d+\/track\/<id>#t=[\w-]{22}"/g, '"<tracking url>"')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
}

describe('the commands in the documents', () => {
  let system: TestSystem
  /** Takes the place of `/tmp`, so that test runs at the same time do not share files. */
  const folder = mkdtempSync(join(tmpdir(), 'comanda-docs-'))

  before(async () => {
    system = await startSystem(undefined, undefined, { WEBHOOK_ALLOW_PRIVATE: true })
    await system.database.transaction(addDemoMenu)
  })
  after(async () => {
    rmSync(folder, { recursive: true })
    await system.stop()
  })

  /** Runs a shell script on the system of this test. @returns its exit status and output */
  async function runShell(script: string): Promise<[number | null, string]> {
    const shell = spawn('sh', ['-c', script], {
      cwd: ROOT,
      env: { ...process.env, DATABASE_URL: system.url, LOG_LEVEL: 'warn' },
      stdio: ['ignore', 'pipe', 'inherit'],
      // A loop that waits for what never comes would outlive the test.
      timeout: SHELL_TIMEOUT_MS,
    })
    const status = new Promise<number | null>(done => shell.once('close', done))
    return await Promise.all([status, text(shell.stdout)])
  }

  /** Runs a script of a document and compares its output with the lines that begin with `#>`. */
  async function expectPrinted(block: string, leastCount: number): Promise<void> {
    const expected = [...block.matchAll(/^#> (.*)$/gm)].map(([, line = '']) => line)
    expect(expected.length).to.be.at.least(leastCount)
    const receiverPort = String(await freePort())
    const script = block
      .replaceAll('/tmp/', `${folder}/`)
      .replaceAll('http://127.0.0.1:8000', system.api.baseUrl)
      .replaceAll('http://localhost:8000', system.api.baseUrl)
      .replace(
        'npm run --silent receiver --',
        `${process.execPath} scripts/receiver.ts --port ${receiverPort}`,
      )
      .replace('8787', receiverPort)
      // A line that ends without a newline would run into the next.
      .replaceAll(/^#> .*$/gm, 'echo')
    const [, output] = await runShell(script)
    const printed = output.split('\n').filter(line => line !== '')
    expect(printed.map(normalized)).to.deep.equal(expected.map(normalized))
  }

  for (const [heading, leastCount] of [
    ['Place and cancel an order', 8],
    ['Receive events by webhook', 5],
  ] as const)
    it(`print what the tutorial shows under “${heading}”`, () =>
      expectPrinted(blocksOf(sectionOf(tutorial, heading)).join('\n'), leastCount))

  it('print what the README shows, where they call the API', async () => {
    const blocks = blocksOf(readme).filter(block => block.includes('curl'))
    expect(blocks.length).to.be.at.least(1)
    for (const block of blocks) await expectPrinted(block, 1)
  })

  it('succeed where the tutorial fills the system and looks at it', async () => {
    const commands = blocksOf(sectionOf(tutorial, 'Fill it, and watch it work')).map(block => block.trim())
    expect(commands.length).to.be.at.least(5)
    for (const command of commands) {
      const script = command
        .replace('--for 60s', '--for 1s')
        .replace(/^npm run (\w+)( --)?/, `${process.execPath} scripts/$1.ts`)
        .replace(/(seed|simulate)\.ts/, `$& --url ${system.api.baseUrl}`)
      const [status, output] = await runShell(`${script} 2>&1`)
      expect(status, `${command}\n${output}`).to.equal(0)
    }
  })

  it('are npm scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    const named = [...`${readme}${tutorial}`.matchAll(/npm (?:run )?(start|test|(?<=run )[\w|:]+)/g)].flatMap(
      ([, names = '']) => names.split('|'),
    )
    expect(named.length).to.be.above(10)
    for (const name of named) expect(scripts, name).to.have.property(name)
  })
})
