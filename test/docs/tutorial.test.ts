import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import { configVariables } from '../../src/platform/config.ts'
import { startSystem, type TestSystem } from '../support/system.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')

/** What differs from run to run. */
function normalized(output: string): string {
  return output
    .replaceAll(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, '<id>')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
}

describe('the README', () => {
  let system: TestSystem

  before(async () => {
    system = await startSystem(undefined, undefined, { WEBHOOK_ALLOW_PRIVATE: true })
  })
  after(() => system.stop())

  for (const [heading, leastCount] of [
    ['The flow, with curl', 8],
    ['Tour: hear of events', 5],
  ] as const)
    it(`shows what the lines under “${heading}” really print`, () => expectPrinted(heading, leastCount))

  async function expectPrinted(heading: string, leastCount: number): Promise<void> {
    const [, rest = ''] = readme.split(`\n## ${heading}\n`)
    const [, block = ''] = /```sh\n([\s\S]*?)```/.exec(rest) ?? []
    const expected = [...block.matchAll(/^#> (.*)$/gm)].map(([, line = '']) => line)
    expect(expected.length).to.be.at.least(leastCount)
    // A line that ends without a newline would run into the next.
    const receiverPort = String(await freePort())
    const script = block
      .replace('http://127.0.0.1:8000', system.api.baseUrl)
      .replace(
        'npm run --silent receiver --',
        `${process.execPath} scripts/receiver.ts --port ${receiverPort}`,
      )
      .replace('8787', receiverPort)
      .replaceAll(/^#> .*$/gm, 'echo')
    const shell = spawn('sh', ['-c', script], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] })
    const printed = (await text(shell.stdout)).split('\n').filter(line => line !== '')
    expect(printed.map(normalized)).to.deep.equal(expected.map(normalized))
  }

  it('lists every environment variable, and no other', () => {
    const [, table = ''] = /## Environment\n\n([\s\S]*?)\n\n/.exec(readme) ?? []
    const listed = [...table.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name)
    expect(listed).to.deep.equal(configVariables.map(({ name }) => name))
  })

  it('names only npm scripts that exist', () => {
    const { scripts } = JSON.parse(
      readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8'),
    ) as {
      scripts: Record<string, string>
    }
    const named = [...readme.matchAll(/npm (?:run )?(start|test|(?<=run )[\w|:]+)/g)].flatMap(
      ([, names = '']) => names.split('|'),
    )
    expect(named.length).to.be.above(5)
    for (const name of named) expect(scripts, name).to.have.property(name)
  })
})

/** One that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  await new Promise(done => server.close(done))
  return port
}
