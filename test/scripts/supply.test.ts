import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { isAllowed, licenceTroubles } from '../../scripts/supply/licences.ts'
import {
  type LockedPackage,
  type Lockfile,
  lockedPackages,
  lockfileTroubles,
} from '../../scripts/supply/lockfile.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const integrity = `sha512-${'A'.repeat(86)}==`
const locked = (given: LockedPackage): Lockfile => ({
  lockfileVersion: 3,
  packages: { '': { version: '1.0.0' }, 'node_modules/x': given },
})
const ours = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as Lockfile

describe('where packages come from', () => {
  it('is a registry for each of ours, in a version known by its hash', () => {
    expect(lockedPackages(ours).length).to.be.above(100)
    expect(lockfileTroubles(ours)).to.deep.equal([])
  })

  it('may be left out or a registry over HTTPS', () => {
    expect(lockfileTroubles(locked({ version: '1.0.0', integrity }))).to.deep.equal([])
    const resolved = 'https://registry.example/x/-/x-1.0.0.tgz'
    expect(lockfileTroubles(locked({ version: '1.0.0', integrity, resolved }))).to.deep.equal([])
  })

  const wrong: [what: string, given: LockedPackage, trouble: string][] = [
    ['git', { version: '1.0.0', integrity, resolved: 'git+ssh://git@host/x.git#1' }, 'comes from git+ssh:'],
    ['plain HTTP', { version: '1.0.0', integrity, resolved: 'http://host/x.tgz' }, 'comes from http:'],
    ['a file', { version: '1.0.0', integrity, resolved: 'file:x.tgz' }, 'comes from file:'],
    ['a folder', { link: true, resolved: '../x' }, 'is a folder'],
    ['no hash', { version: '1.0.0' }, 'has no SHA-512'],
    ['a weak hash', { version: '1.0.0', integrity: 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=' }, 'has no SHA-512'],
    ['no version', { integrity }, 'has no version'],
  ]
  for (const [what, given, trouble] of wrong) {
    it(`is refused when it is, or has, ${what}`, () => {
      expect(lockfileTroubles(locked(given))[0]).to.include(`node_modules/x ${trouble}`)
    })
  }
})

describe('licences in production', () => {
  it('are all on the list', () => {
    expect(licenceTroubles(ours, ROOT)).to.deep.equal([])
  })

  it('are read as SPDX: one of OR, all of AND', () => {
    for (const good of ['MIT', '(MIT OR GPL-3.0)', 'GPL-2.0 OR ISC', '(MIT AND ISC)'])
      expect(isAllowed(good), good).to.equal(true)
    for (const bad of ['GPL-3.0', 'AGPL-3.0-only', 'UNLICENSED', 'MIT AND GPL-3.0', 'SEE LICENSE IN x', ''])
      expect(isAllowed(bad), bad).to.equal(false)
  })

  it('are those that the installed package says, and have to be said', () => {
    const root = temporaryFolder()
    const folder = join(root, 'node_modules', 'x')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'x', license: 'AGPL-3.0' }))
    expect(licenceTroubles(locked({ license: 'MIT' }), root)[0]).to.include('is under AGPL-3.0')
    expect(licenceTroubles(locked({ license: 'MIT', dev: true }), root)).to.deep.equal([])
    rmSync(root, { recursive: true })
    expect(licenceTroubles(locked({ license: 'MIT' }), root)).to.deep.equal([])
    expect(licenceTroubles(locked({}), root)).to.deep.equal(['node_modules/x does not say its licence'])
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
