import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { guards } from './guards.ts'
import { withoutGuard } from './run-mutation.ts'

const ROOT = join(import.meta.dirname, '..', '..')

/** Returns the message of what `action` throws, or undefined. */
function failureOf(action: () => unknown): string | undefined {
  try {
    action()
    return undefined
  } catch (error) {
    return String(error)
  }
}

describe('the guards of the mutation proof', () => {
  it('each name a file that contains every guarded text exactly once', () => {
    const failures = guards.flatMap(
      guard => failureOf(() => withoutGuard(readFileSync(join(ROOT, guard.file), 'utf8'), guard)) ?? [],
    )
    expect(failures).to.deep.equal([])
  })

  it('each change the file when they are removed', () => {
    const unchanged = guards.filter(guard =>
      guard.edits.every(([guarded, unguarded]) => guarded === unguarded),
    )
    expect(unchanged).to.deep.equal([])
  })

  it('each name test files, or folders with test files', () => {
    const missing = guards.flatMap(({ name, tests }) =>
      tests.filter(path => !isTest(path)).map(path => `${name}: ${path}`),
    )
    expect(missing).to.deep.equal([])
    expect(guards.filter(({ tests }) => tests.length === 0)).to.deep.equal([])
  })

  it('have names that differ', () => {
    const names = guards.map(({ name }) => name)
    expect(names).to.deep.equal([...new Set(names)])
  })
})

function isTest(path: string): boolean {
  const full = join(ROOT, path)
  if (!existsSync(full)) return false
  if (statSync(full).isFile()) return path.endsWith('.test.ts')
  return globSync('**/*.test.ts', { cwd: full }).length > 0
}
