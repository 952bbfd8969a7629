import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { isPermitted, licenceProblems } from '../../scripts/supply/licences.ts'
import {
  type LockedPackage,
  type Lockfile,
  lockedPackages,
  lockfileProblems,
} from '../../scripts/supply/lockfile.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const integrity = `sha512-${'A'.repeat(86)}==`
const locked = (given: LockedPackage): Lockfile => ({
  packages: { '': { version: '1.0.0' }, 'node_modules/x': given },
})
const ours = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as Lockfile

/** Runs lockfile-lint as `npm run check` does, on a lockfile with one package. */
async function lint(given: object): Promise<string> {
  const folder = temporaryFolder()
  const file = join(folder, 'package-lock.json')
  const packages = { '': { name: 'y', version: '1.0.0' }, 'node_modules/x': given }
  writeFileSync(file, JSON.stringify({ name: 'y', version: '1.0.0', lockfileVersion: 3, packages }))
  const args = ['--path', file, '--type', 'npm', '--validate-https', '--validate-integrity']
  const program = join(ROOT, 'node_modules', '.bin', 'lockfile-lint')
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [program, ...args])
    return stdout
  } catch (error) {
    return `refused: ${(error as { stderr: string }).stderr}`
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('the lockfile', () => {
  it('has a version and a hash for each package', () => {
    expect(lockedPackages(ours).length).to.be.above(100)
    expect(lockfileProblems(ours)).to.deep.equal([])
  })

  it('is accepted by lockfile-lint when a package has no URL, or an HTTPS URL', async () => {
    const resolved = 'https://registry.example/x/-/x-1.0.0.tgz'
    expect(await lint({ version: '1.0.0', integrity })).not.to.include('refused')
    expect(await lint({ version: '1.0.0', integrity, resolved })).not.to.include('refused')
  })

  const unsafe: [what: string, given: object][] = [
    ['git', { version: '1.0.0', integrity, resolved: 'git+ssh://git@host.example/x.git#1' }],
    ['plain HTTP', { version: '1.0.0', integrity, resolved: 'http://host.example/x.tgz' }],
    [
      'a weak hash',
      {
        version: '1.0.0',
        integrity: 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=',
        resolved: 'https://host.example/x.tgz',
      },
    ],
  ]
  for (const [what, given] of unsafe)
    it(`is refused by lockfile-lint when a package has ${what}`, async () => {
      expect(await lint(given)).to.include('refused')
    })

  const incomplete: [what: string, given: LockedPackage, problem: string][] = [
    ['a link to a folder', { link: true }, 'is a link to a folder'],
    ['no hash', { version: '1.0.0' }, 'has no hash'],
    ['no version', { integrity }, 'has no version'],
  ]
  for (const [what, given, problem] of incomplete)
    it(`is refused when a package has ${what}`, () => {
      expect(lockfileProblems(locked(given))[0]).to.equal(`node_modules/x ${problem}`)
    })
})

describe('licences in production', () => {
  it('are all permitted', () => {
    expect(licenceProblems(ours, ROOT)).to.deep.equal([])
  })

  it('are SPDX expressions: one licence of an OR, all licences of an AND', () => {
    for (const good of ['MIT', '(MIT OR GPL-3.0)', 'GPL-2.0 OR ISC', '(MIT AND ISC)'])
      expect(isPermitted(good), good).to.equal(true)
    for (const bad of ['GPL-3.0', 'AGPL-3.0-only', 'UNLICENSED', 'MIT AND GPL-3.0', 'SEE LICENSE IN x', ''])
      expect(isPermitted(bad), bad).to.equal(false)
  })

  it('are read from the installed package, and must be declared', () => {
    const root = temporaryFolder()
    const folder = join(root, 'node_modules', 'x')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'x', license: 'AGPL-3.0' }))
    expect(licenceProblems(locked({ license: 'MIT' }), root)[0]).to.include('has the licence AGPL-3.0')
    expect(licenceProblems(locked({ license: 'MIT', dev: true }), root)).to.deep.equal([])
    rmSync(root, { recursive: true })
    expect(licenceProblems(locked({ license: 'MIT' }), root)).to.deep.equal([])
    expect(licenceProblems(locked({}), root)).to.deep.equal(['node_modules/x declares no licence'])
  })
})

describe('the bill of materials', () => {
  it('is CycloneDX, and lists what runs in production and nothing that only tests need', async () => {
    const { stdout } = await promisify(execFile)('npm', ['run', '--silent', 'sbom'], {
      cwd: ROOT,
      maxBuffer: 64 * 1024 * 1024,
    })
    const { bomFormat, components } = JSON.parse(stdout) as Sbom
    expect(bomFormat).to.equal('CycloneDX')
    const names = components.map(({ name }) => name)
    expect(names).to.include.members(['koa', 'pg', 'pg-boss', 'typeorm'])
    expect(names).not.to.include.members(['mocha'])
    for (const { purl } of components) expect(purl).to.match(/^pkg:npm\/.+@.+$/)
  })
})

interface Sbom {
  bomFormat: string
  components: { name: string; purl: string }[]
}
