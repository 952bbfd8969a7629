import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { problems } from '../../src/http/problem-catalogue.ts'

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'api.md'), 'utf8')

describe('docs/api.md', () => {
  it('lists every error code with its status, and no other', () => {
    const [, table = ''] = page.split('\n## Errors\n')
    const listed = [...table.matchAll(/^\| `([a-z-]+)` \| (\d+) \|/gm)].map(
      ([, code, status]) => `${status} ${code}`,
    )
    const expected = Object.entries(problems).map(([code, { status }]) => `${status} ${code}`)
    expect(listed.toSorted()).to.deep.equal(expected.toSorted())
  })
})
