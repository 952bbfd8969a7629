import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { temporaryFolder } from '../support/temporary-folder.ts'

const ROOT = join(import.meta.dirname, '..', '..')

/** Writes down its arguments and installs as npm does, as far as run.js can see. */
const NPM = `
const { appendFileSync, cpSync, mkdirSync, rmSync } = require('node:fs')
const words = process.argv.slice(2)
appendFileSync('calls', words.slice(0, -3).join(' ') + '\\n')
if (words[0] === 'ci') rmSync('node_modules', { recursive: true, force: true })
mkdirSync('node_modules/.bin', { recursive: true })
if (words.includes('--include=dev')) cpSync('npm.cjs', 'node_modules/.bin/mocha')
process.exit(process.env.NPM_FAILS ? 1 : 0)
`

describe('the installation before an npm script', () => {
  let folder: string

  beforeEach(() => {
    folder = temporaryFolder()
    mkdirSync(join(folder, 'scripts'))
    cpSync(join(ROOT, 'scripts', 'run.js'), join(folder, 'scripts', 'run.js'))
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(folder, 'package-lock.json'), 'first')
    writeFileSync(join(folder, 'npm.cjs'), NPM)
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  /** Runs a program that prints `ran`. @returns the calls of npm so far */
  async function run(options: string[], env: Record<string, string> = {}): Promise<string[]> {
    const args = ['scripts/run.js', ...options, 'node', '--print', '"ran"']
    const { PATH } = process.env
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      cwd: folder,
      env: { PATH, npm_execpath: join(folder, 'npm.cjs'), ...env },
    })
    expect(stdout).to.equal('ran\n')
    const calls = join(folder, 'calls')
    return existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : []
  }

  it('leaves development dependencies out of what npm start needs, and does so once', async () => {
    expect(await run([])).to.deep.equal(['ci --omit=dev'])
    expect(await run([])).to.deep.equal(['ci --omit=dev'])
  })

  it('adds them for npm test, without deleting the packages of a running npm start', async () => {
    await run([])
    writeFileSync(join(folder, 'node_modules', 'package'), '')
    expect(await run(['--with-dev'])).to.deep.equal(['ci --omit=dev', 'install --no-save --include=dev'])
    expect(existsSync(join(folder, 'node_modules', 'package'))).to.equal(true)
    expect(await run(['--with-dev'])).to.have.length(2)
  })

  it('keeps them in the npm start that follows, also when the lockfile changes', async () => {
    expect(await run(['--with-dev'])).to.deep.equal(['ci --include=dev'])
    expect(await run([])).to.have.length(1)
    writeFileSync(join(folder, 'package-lock.json'), 'second')
    expect(await run([])).to.deep.equal(['ci --include=dev', 'ci --include=dev'])
  })

  it('repeats an installation that failed', async () => {
    await run([])
    const failed = await run(['--with-dev'], { NPM_FAILS: '1' }).catch((error: { stderr: string }) => error)
    expect(failed).to.have.property('stderr').that.contains('`npm install --no-save` failed')
    expect(await run([])).to.have.length(3)
  })
})

describe('npm scripts', () => {
  const { scripts, dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
    dependencies: Record<string, string>
  }

  /** Returns the packages that a file and the files it imports need. */
  function packagesOf(file: string, seen = new Set<string>()): string[] {
    if (seen.has(file)) return []
    seen.add(file)
    const text = readFileSync(file, 'utf8')
    const imports = text.matchAll(
      /^(?:import|export) (?!type\b)[^']*?from '([^']+)'|\bimport\('([^']+)'\)/gms,
    )
    return [...imports].flatMap(([, fixed, dynamic]) => {
      const name = fixed ?? dynamic ?? ''
      if (!name.startsWith('.')) return [name]
      return name.endsWith('.json') ? [] : packagesOf(join(dirname(file), name), seen)
    })
  }

  it('that run without development dependencies import none', () => {
    const files = Object.values(scripts)
      .filter(command => !command.includes('--with-dev'))
      .flatMap(command => command.match(/\b(?:src|scripts)\/[\w-]+\.ts\b/g) ?? [])
    expect(files).to.include('src/main.ts').and.to.include('scripts/seed.ts')
    const packages = new Set(files.flatMap(file => packagesOf(join(ROOT, file))))
    expect(packages).to.include('listr2').and.to.include('pg-boss')
    const missing = [...packages].filter(name => {
      const owner = name.split('/', name.startsWith('@') ? 2 : 1).join('/')
      return !name.startsWith('node:') && !(owner in dependencies)
    })
    expect(missing).to.deep.equal([])
  })
})
