import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { builtinModules } from 'node:module'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { expect } from 'chai'

const ROOT = join(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

/** Files of this repository that the image is made of, by its COPY lines. */
function copiedFiles(): string[] {
  const sources = [...read('Dockerfile').matchAll(/^COPY (?!--from)(.+)$/gm)].flatMap(([, words = '']) =>
    words.split(' ').slice(0, -1),
  )
  return sources.flatMap(source =>
    statSync(join(ROOT, source)).isDirectory()
      ? readdirSync(join(ROOT, source), { recursive: true, encoding: 'utf8' }).map(file => join(source, file))
      : [source],
  )
}

describe('the container image', () => {
  const files = copiedFiles()
  const code = files.filter(file => file.endsWith('.ts'))
  const imported = code.flatMap(file =>
    [...read(file).matchAll(/(?:(?<!distinct )from\s|import|resolve\()\s*\(?'([@.\w][-@.\w/:]*)'/g)].map(
      ([, name = '']) => ({
        file,
        name,
      }),
    ),
  )

  it('contains every file that its files import', () => {
    const relative = imported.filter(({ name }) => name.startsWith('.'))
    expect(relative.length).to.be.above(100)
    const missing = relative.filter(({ file, name }) => !files.includes(join(dirname(file), name)))
    expect(missing).to.deep.equal([])
  })

  it('contains every imported package and no development dependency', () => {
    const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> }
    const packages = imported
      .map(({ name }) => name)
      .filter(name => !name.startsWith('.') && !name.startsWith('node:') && !builtinModules.includes(name))
      .map(name => name.split('/', name.startsWith('@') ? 2 : 1).join('/'))
    expect(packages).to.include('cli-table3').and.to.include('@pg-boss/dashboard')
    expect(packages.filter(name => !(name in dependencies))).to.deep.equal([])
  })
})

describe('the health check of the image', () => {
  const [, json = '[]'] = /^HEALTHCHECK .*\\\n +CMD (.*)$/m.exec(read('Dockerfile')) ?? []
  const [program = '', ...args] = JSON.parse(json) as string[]
  let status = 200
  const server = createServer(({ url }, response) => {
    response.writeHead(url === '/healthz' ? status : 404).end()
  })
  const check = async (variables: Record<string, string>) => {
    const child = spawn(program, args, { env: { PATH: process.env['PATH'], ...variables }, stdio: 'ignore' })
    const [code] = (await once(child, 'exit')) as [number]
    return code
  }

  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  after(() => server.close())

  it('succeeds while the API or the status server answers /healthz with 200', async () => {
    const port = String((server.address() as AddressInfo).port)
    status = 200
    expect(await check({ PORT: port })).to.equal(0)
    expect(await check({ PORT: '1', STATUS_PORT: port })).to.equal(0)
    status = 503
    expect(await check({ PORT: port })).not.to.equal(0)
    expect(await check({ PORT: '1' })).not.to.equal(0)
  })
})

describe('the flags of each role', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const roles = ['api', 'dispatcher', 'worker'] as const

  /** Returns the node command of an npm script. An image has a compile cache of its own. */
  const wordsOf = (role: string) =>
    (scripts[role] ?? '')
      .replace(/^node scripts\/run\.js /, '')
      .replace('--import ./src/compile-cache.js ', '')
      .split(' ')

  it('are the same in package.json, docker-compose.yml and the Dockerfile', () => {
    const compose = read('docker-compose.yml')
    for (const role of roles) expect(compose).to.include(`command: [${wordsOf(role).join(', ')}]`)
    expect(read('Dockerfile')).to.include(`CMD ${JSON.stringify(wordsOf('api')).replaceAll(',', ', ')}`)
  })

  it('are those of the worker in the child process of npm start', () => {
    const flags = wordsOf('worker').filter(word => word.startsWith('--'))
    const literals = flags.map(flag => `'${flag}'`).join(', ')
    expect(read('src/processes/pipeline-process.ts')).to.include(`HEAP_FLAGS = [${literals}]`)
  })

  it('match those that the compile cache of the image was made with', () => {
    for (const role of roles) expect(read('Dockerfile')).to.include(`    ${wordsOf(role).join(' ')}; `)
  })
})

describe('the compose file', () => {
  const compose = read('docker-compose.yml')
  const [, services = ''] = compose.split('\nservices:\n')
  const serviceOf = (name: string) =>
    new RegExp(`^ {2}${name}:(?: &\\w+)?\\n((?: {3}.*\\n|\\n| {2}#.*\\n)+)`, 'm').exec(services)?.[1] ?? ''

  it('runs only files that the image contains', () => {
    const named = [...compose.matchAll(/\b(?:src|scripts)\/[\w-]+\.ts\b/g)].map(([file]) => file)
    expect(named).to.include('src/main.ts').and.to.include('scripts/logins.ts')
    expect(named.filter(file => !copiedFiles().includes(file))).to.deep.equal([])
  })

  it('mounts in each process the file with its own login and no other', () => {
    for (const [name, role] of [
      ['api', 'api'],
      ['dispatcher', 'dispatcher'],
      ['consumer', 'worker'],
      ['dashboard', 'dashboard'],
    ] as const) {
      const service = serviceOf(name)
      expect(service.match(/\S*-login:\S+/g), name).to.deep.equal([`${role}-login:/run/login:ro`])
      expect(service, name).not.to.match(/owner|PGPASSWORD|POSTGRES_PASSWORD/)
      expect(serviceOf('logins')).to.contain(`${role}-login:/logins/${role}\n`)
    }
    const [, shared = ''] = /^x-comanda:.*\n((?: .*\n)+)/m.exec(compose) ?? []
    expect(shared).to.contain('DATABASE_URL_FILE: /run/login/database_url').and.not.to.contain('PASSWORD')
  })

  it('mounts in the standby its own volume, that of the primary, and a script that exists', () => {
    const mounts = (name: string) => [...serviceOf(name).matchAll(/- (\S+):(\/\S+)/g)].map(match => match[0])
    expect(mounts('postgres')).to.deep.equal(['- ${PRIMARY_DATA:-postgres-data}:/var/lib/postgresql'])
    expect(mounts('standby')).to.deep.equal([
      '- ${STANDBY_DATA:-standby-data}:/var/lib/postgresql',
      '- ${PRIMARY_DATA:-postgres-data}:/primary:ro',
      '- ./deploy/run-standby.sh:/etc/comanda/run-standby.sh:ro',
    ])
    expect(read('deploy/run-standby.sh')).to.match(/^#!\/bin\/bash\n/)
  })
})
