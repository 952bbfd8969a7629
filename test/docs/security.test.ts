import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'

const ROOT = join(import.meta.dirname, '..', '..')

describe('docs/security.md', () => {
  const document = readFileSync(join(ROOT, 'docs', 'security.md'), 'utf8')
  const files = globSync('test/**/*.test.ts', { cwd: ROOT })
  const sourceOf = (file: string) => readFileSync(join(ROOT, file), 'utf8')

  it('names only tests that there are', () => {
    const rows = [...document.matchAll(/^\| API\d+ .*\| (.*) \|$/gm)].map(([, tests = '']) => tests)
    expect(rows).to.have.lengthOf(10)
    const sources = files.map(sourceOf).join('\n')
    for (const [, name = ''] of rows.join('\n').matchAll(/`([^`]+)`/g)) {
      if (name.startsWith('test/')) expect(files).to.include(name)
      else expect(sources).to.include(name)
    }
  })
})
