import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import { configVariables } from '../src/platform/config.ts'
import { startSystem, type TestSystem } from './support/system.ts'

const readme = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8')

/** What differs from run to run. */
function normalized(output: string): string {
  return output
    .replaceAll(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, '<id>')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
}

describe('the README', () => {
  let system: TestSystem

  before(async () => {
    system = await startSystem()
  })
  after(() => system.stop())

  it('shows what its curl lines really print', async () => {
    const [, block = ''] = /## The flow, with curl[\s\S]*?```sh\n([\s\S]*?)```/.exec(readme) ?? []
    const expected = [...block.matchAll(/^#> (.*)$/gm)].map(([, line = '']) => line)
    expect(expected.length).to.be.above(7)
    // A line that ends without a newline would run into the next.
    const script = block.replace('http://127.0.0.1:8000', system.api.baseUrl).replaceAll(/^#> .*$/gm, 'echo')
    const shell = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const printed = (await text(shell.stdout)).split('\n').filter(line => line !== '')
    expect(printed.map(normalized)).to.deep.equal(expected.map(normalized))
  })

  it('lists every environment variable, and no other', () => {
    const [, table = ''] = /## Environment\n\n([\s\S]*?)\n\n/.exec(readme) ?? []
    const listed = [...table.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name)
    expect(listed).to.deep.equal(configVariables.map(({ name }) => name))
  })

  it('names only npm scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    const named = [...readme.matchAll(/npm (?:run )?(start|test|(?<=run )[\w|:]+)/g)].flatMap(
      ([, names = '']) => names.split('|'),
    )
    expect(named.length).to.be.above(5)
    for (const name of named) expect(scripts, name).to.have.property(name)
  })
})
