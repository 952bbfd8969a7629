import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { httpGuards } from '../mutations/http-guards.ts'

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

  it('has every guard against strangers, with a test of those that have to miss it', () => {
    const [, table = ''] = /\| guard \|.*\n\|[-|]+\n((?:\|.*\n)+)/.exec(document) ?? []
    const rows = table.split('\n').map(row => row.split(' | ').map(cell => cell.replaceAll(/^\| | \|$/g, '')))
    expect(rows.slice(0, -1).map(([name, about]) => ({ name, about }))).to.deep.equal(
      httpGuards.map(({ name, about }) => ({ name, about })),
    )
    for (const [index, { tests }] of httpGuards.entries())
      expect(tests.map(sourceOf).join('\n')).to.include(rows[index]?.[2])
  })
})
