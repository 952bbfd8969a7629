import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { freePort } from '../support/free-port.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'
import { type Ended, type Running, spawnScript } from './spawn-script.ts'

describe('npm run dashboard', () => {
  let system: TestSystem
  let running: Running | undefined
  let port: number
  let printed = ''

  before(async () => {
    system = await startSystem(['api'])
    port = await freePort()
  })
  afterEach(async () => {
    running?.child.kill()
    await running?.ended
    running = undefined
  })
  after(() => system.stop())

  async function start(env: Record<string, string>, ...args: string[]): Promise<void> {
    printed = ''
    running = spawnScript('dashboard', ['--port', String(port), ...args], {
      DATABASE_URL: system.url,
      ...env,
    })
    running.child.stdout?.on('data', (chunk: Buffer) => (printed += chunk.toString()))
    await until('it listens', () => printed.includes('Sign in as') && printed.includes('listening on'))
  }
  async function status(path: string, password?: string, method = 'GET'): Promise<[number, string]> {
    const headers = password
      ? { authorization: `Basic ${Buffer.from(`operator:${password}`).toString('base64')}` }
      : undefined
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      ...(headers ? { headers } : {}),
    })
    return [response.status, await response.text()]
  }

  it('shows the queues with the password, on the loopback address only and read-only', async () => {
    await start({})
    expect(printed).to.contain(`listening on http://127.0.0.1:${port}`)
    const [, password = ''] = /Sign in as operator, password: (\S{16})$/m.exec(printed) ?? []
    expect((await status('/queues'))[0]).to.equal(401)
    expect((await status('/queues', 'guessed'))[0]).to.equal(401)
    const [code, page] = await status('/queues', password)
    expect(code).to.equal(200)
    for (const queue of ['inventory.deduct', 'order.prepare', 'maintenance.prune'])
      expect(page).to.contain(queue)
    expect((await status('/queues/order.prepare', password, 'POST'))[0]).to.equal(403)
  })

  it('uses a configured password without printing it', async () => {
    await start({ PGBOSS_DASHBOARD_AUTH_PASSWORD: 'open sesame' }, '--allow-changes')
    expect(printed).not.to.contain('sesame')
    expect((await status('/queues', 'open sesame'))[0]).to.equal(200)
    expect((await status('/queues/order.prepare', 'open sesame', 'POST'))[0]).not.to.equal(403)
  })

  it('reads the password from a file', async () => {
    const file = join(temporaryFolder(), 'password')
    writeFileSync(file, 'open barley\n')
    await start({ PGBOSS_DASHBOARD_AUTH_PASSWORD_FILE: file })
    expect(printed).to.contain(file).and.not.to.contain('barley')
    expect((await status('/queues', 'open barley'))[0]).to.equal(200)
    expect((await status('/queues', 'open sesame'))[0]).to.equal(401)
  })

  it('prints one line when the port is taken, the password file is unreadable or the database is missing', async () => {
    const taken = new URL(system.api.baseUrl).port
    const endings: [string[], Record<string, string>, RegExp][] = [
      [
        ['--port', taken],
        { DATABASE_URL: system.url },
        /^comanda: cannot listen on 127\.0\.0\.1:\d+ \(EADDRINUSE\)[^\n]*\n$/,
      ],
      [
        [],
        { DATABASE_URL: system.url, PGBOSS_DASHBOARD_AUTH_PASSWORD_FILE: '/none' },
        /^comanda: PGBOSS_DASHBOARD_AUTH_PASSWORD_FILE: \/none cannot be read \(ENOENT\)\n$/,
      ],
      [[], { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' }, /^comanda: cannot connect[^\n]*\n$/],
    ]
    for (const [args, env, message] of endings) {
      const { status, stderr }: Ended = await spawnScript('dashboard', args, env).ended
      expect(status).to.equal(1)
      expect(stderr).to.match(message)
    }
  })
})
