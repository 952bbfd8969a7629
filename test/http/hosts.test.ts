import { expect } from 'chai'
import { allowedHostsOf, parseConfig } from '../../src/platform/config.ts'
import { recordingLog } from '../support/log.ts'
import { startDispatcher } from '../support/start-role.ts'
import { startSystem, type TestSystem, testConfig } from '../support/system.ts'
import { expectProblem } from './expect-problem.ts'
import { send } from './send.ts'
import { json } from './successful-requests.ts'

/** Foreign names that resolve to this machine (DNS rebinding) or resemble a permitted name. */
const foreignHosts = [
  'evil.example',
  'evil.example:8000',
  'localhost.evil.example',
  'evil.localhost',
  '127.0.0.1.evil.example:8000',
  'localhost:8000:80',
  'localhost@evil.example',
  '2130706433',
  '0.0.0.0:8000',
  '[::ffff:127.0.0.1]',
]

describe('Host headers without authentication on a loopback address', () => {
  let system: TestSystem

  before(async () => {
    const config = parseConfig({
      PUBLIC_URL: 'https://Orders.example:8443',
      ALLOWED_HOSTS: ' Till.example,[::2] ',
    })
    const { PUBLIC_URL, ALLOWED_HOSTS } = config
    system = await startSystem(['api'], undefined, { PUBLIC_URL, ALLOWED_HOSTS })
  })
  after(() => system.stop())

  const ask = async (host: string, path = '/api/v1/restaurants') =>
    await send(system.api.baseUrl, { method: 'GET', path, headers: { host } })

  it('are accepted for this machine and for ALLOWED_HOSTS, with any port', async () => {
    for (const name of ['localhost', '127.0.0.1', '[::1]', 'orders.example', 'till.example', '[::2]'])
      for (const host of [name, `${name}:8000`, name.toUpperCase()])
        expect((await ask(host)).status, host).to.equal(200)
  })

  it('are refused with 421 for any other name, and nothing is changed', async () => {
    for (const host of foreignHosts) {
      for (const path of [
        '/api/v1/restaurants',
        '/docs',
        '/openapi.json',
        '/metrics',
        '/healthz',
        '/nothing',
      ])
        expectProblem(await ask(host, path), { code: 'host-not-allowed' })
      const add = { method: 'POST', path: '/api/v1/inventory/add/restaurant', body: '{"name":"Osteria"}' }
      const reply = await send(system.api.baseUrl, { ...add, headers: { ...json, host } })
      expectProblem(reply, { code: 'host-not-allowed' })
    }
    expect(await system.database.query('select from restaurants')).to.deep.equal([])
  })

  it('are checked by the status server, too', async () => {
    const { log, lines } = recordingLog()
    const dispatcher = await startDispatcher({ ...testConfig, STATUS_PORT: 0 }, system.url, log)
    try {
      const url = String(lines.find(({ msg }) => msg === 'the status server is listening')?.['url'])
      const path = '/metrics'
      const reply = await send(url, { method: 'GET', path, headers: { host: 'evil.example' } })
      expectProblem(reply, { code: 'host-not-allowed' })
      expect((await send(url, { method: 'GET', path })).status).to.equal(200)
    } finally {
      await dispatcher.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    }
  })

  it('are not checked with authentication or on a public address, unless ALLOWED_HOSTS is set', () => {
    for (const open of [{ AUTH_MODE: 'jwt' }, { HOST: '0.0.0.0', ALLOW_INSECURE: 'true' }]) {
      expect(allowedHostsOf(parseConfig(open))).to.equal(undefined)
      const some = allowedHostsOf(parseConfig({ ...open, ALLOWED_HOSTS: 'till.example' }))
      expect([...(some ?? [])])
        .to.include.members(['till.example', 'localhost'])
        .and.not.include('x')
    }
    expect([...(allowedHostsOf(parseConfig({ HOST: '::1' })) ?? [])]).to.include('[::1]')
  })
})
