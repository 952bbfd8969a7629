import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { httpSafeguards } from './http-safeguards.ts'
import { withoutSafeguard } from './remove-safeguard.ts'
import { pipelineSafeguards, safeguards } from './safeguards.ts'

const ROOT = join(import.meta.dirname, '..', '..')

describe('the safeguards that npm run test:mutations removes', () => {
  it('each name a file that contains the texts to replace exactly once', () => {
    const failures: string[] = []
    for (const safeguard of safeguards) {
      try {
        const source = readFileSync(join(ROOT, safeguard.file), 'utf8')
        if (withoutSafeguard(source, safeguard) === source) failures.push(`${safeguard.name}: no change`)
      } catch (error) {
        failures.push(String(error))
      }
    }
    expect(failures).to.deep.equal([])
  })

  it('each name test files that exist', () => {
    const missing = safeguards.flatMap(({ name, tests }) =>
      (tests.length > 0 ? tests : ['no test'])
        .filter(file => !file.endsWith('.test.ts') || !existsSync(join(ROOT, file)))
        .map(file => `${name}: ${file}`),
    )
    expect(missing).to.deep.equal([])
  })

  it('have unique names', () => {
    const names = safeguards.map(({ name }) => name)
    expect(names).to.deep.equal([...new Set(names)])
  })

  for (const [document, documented] of [
    ['docs/reliability.md', pipelineSafeguards],
    ['docs/security.md', httpSafeguards],
  ] as const) {
    it(`stand in ${document}, each with a test that exists`, () => {
      const source = readFileSync(join(ROOT, document), 'utf8')
      const [, table = ''] = /\| safeguard \|.*\n\|[-|]+\n((?:\|.*\n)+)/.exec(source) ?? []
      const rows = table
        .trimEnd()
        .split('\n')
        .map(row => row.slice(2, -2).split(' | '))
      expect(rows.map(([name, about]) => ({ name, about: about?.replaceAll('`', '') }))).to.deep.equal(
        documented.map(({ name, about }) => ({ name, about })),
      )
      for (const [index, { tests }] of documented.entries())
        expect(tests.map(file => readFileSync(join(ROOT, file), 'utf8')).join('\n')).to.include(
          rows[index]?.[2],
        )
    })
  }
})
