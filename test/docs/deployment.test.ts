import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { parse } from 'yaml'
import {
  KEY_COMMAND,
  PREPARE_COMMANDS,
  PRIMARY_COMMAND,
  PROMOTE_COMMANDS,
  ROTATE_COMMANDS,
  STANDBY_COMMANDS,
  START_COMMANDS,
  STOP_COMMAND,
  UPGRADE_COMMANDS,
  VERIFY_COMMAND,
} from '../../scripts/drill/deployment-commands.ts'
import { find } from '../deploy/kubernetes-manifests.ts'
import { killChildren, startChild } from '../support/child.ts'
import { administer, blankDatabase, type TestDatabase } from '../support/postgres.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const deployment = readFileSync(join(ROOT, 'docs', 'deployment.md'), 'utf8')
const commands = [...deployment.matchAll(/^( *)```sh\n([\s\S]*?)^ *```$/gm)]
  .flatMap(([, , block = '']) => block.trim().split('\n'))
  .map(line => line.replace(/ +# .*/, '').trim())

/** Commands that this test runs. */
const runHere = [
  /^DATABASE_URL=\S+ npm run migrate$/,
  /^DATABASE_URL=\S+ npm run logins -- --directory secrets$/,
  /^DATABASE_URL_FILE=\S+ npm run api$/,
]
/** Commands that `npm run drill:deployment` runs. */
const runByDrill = new Set([
  ...START_COMMANDS,
  KEY_COMMAND,
  ...ROTATE_COMMANDS,
  ...PREPARE_COMMANDS,
  ...STANDBY_COMMANDS,
  ...PROMOTE_COMMANDS,
  PRIMARY_COMMAND,
  ...UPGRADE_COMMANDS,
  VERIFY_COMMAND,
  STOP_COMMAND,
])
/** Commands that are deliberately not run, with the reason. */
const notRun: [command: RegExp, reason: string][] = [
  [/^(docker compose -f deploy\/compose.ha.yml |export POSTGRES_PASSWORD)/, 'needs images of a registry'],
  [/^docker (build|push) /, 'needs a registry'],
  [/^kubectl /, 'needs a cluster'],
  [/^pg_basebackup /, 'is not in the npm package of PostgreSQL'],
]

describe('the commands in docs/deployment.md', () => {
  const folder = temporaryFolder('deployment')
  let database: TestDatabase

  before(async () => {
    database = await blankDatabase()
  })
  after(async () => {
    killChildren()
    await database.drop()
    const logins = ['api', 'dispatcher', 'worker', 'dashboard', 'operations']
    for (const role of logins)
      await administer(`drop role if exists ${new URL(database.url).pathname.slice(1)}_login_${role}`)
    rmSync(folder, { recursive: true })
  })

  it('are each run by this test or the drill, or named here with the reason why not', () => {
    const known = [...runHere, ...notRun.map(([each]) => each)]
    expect(commands.length).to.be.above(20)
    expect([...runByDrill].filter(command => !commands.includes(command))).to.deep.equal([])
    for (const command of commands.filter(each => !runByDrill.has(each)))
      expect(
        known.filter(each => each.test(command)),
        command,
      ).to.have.length(1)
    for (const each of known)
      expect(
        commands.some(command => each.test(command)),
        String(each),
      ).to.equal(true)
  })

  it('migrate a database, create the logins, and start an API with its own login', async () => {
    const [migrate = '', logins = '', api = ''] = runHere.map(each => commands.find(line => each.test(line)))
    const script = [migrate, logins]
      .join(' && ')
      .replaceAll(/DATABASE_URL=\S+/g, `DATABASE_URL='${database.url}'`)
      .replaceAll('npm run migrate', `${process.execPath} src/main.ts migrate`)
      .replaceAll('npm run logins --', `${process.execPath} scripts/logins.ts`)
      .replaceAll('secrets', folder)
    execFileSync('sh', ['-c', script], { cwd: ROOT, stdio: 'pipe' })
    const [, file = ''] = /DATABASE_URL_FILE=(\S+)/.exec(api) ?? []
    const child = startChild(['src/main.ts', 'api'], {
      DATABASE_URL_FILE: file.replace('secrets', folder),
      PORT: '0',
    })
    await child.untilOutput(/api is ready/)
  })

  it('name npm scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    const named = [...deployment.matchAll(/npm run\s([\w:]+)/g)].map(([, name = '']) => name)
    expect(named).to.include('migrate')
    for (const name of named) expect(scripts, name).to.have.property(name)
  })

  it('name files, services and objects of Kubernetes that exist', () => {
    for (const [, file = ''] of commands.join('\n').matchAll(/ (?:-f|--patch-file) (\S+)/g))
      expect(existsSync(join(ROOT, file)), file).to.equal(true)
    for (const [, kind = '', name = ''] of commands
      .join('\n')
      .matchAll(/ (job|deployment|cluster)\/([\w-]+)/g))
      expect(
        find(
          kind.replace(/^./, first => first.toUpperCase()),
          name,
        ),
        name,
      ).to.not.equal(undefined)
    const { services } = parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true }) as {
      services: object
    }
    const named = commands.flatMap(line => /^docker compose .*(?:--rm|--scale) (\w+)/.exec(line)?.[1] ?? [])
    expect(named).to.not.deep.equal([])
    for (const name of named) expect(services).to.have.property(name)
  })
})
