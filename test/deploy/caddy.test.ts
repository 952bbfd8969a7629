import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { freePort } from '../support/free-port.ts'
import { isListening } from '../support/is-listening.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'
import { createCertificate, hasOpenssl, TlsClient } from './tls-client.ts'

const FILE = join(import.meta.dirname, '..', '..', 'deploy', 'Caddyfile')
const HOST = 'shop.example'

describe('deploy/Caddyfile', () => {
  if (spawnSync('caddy', ['version']).error !== undefined || !hasOpenssl) {
    console.warn('caddy or openssl is missing: deploy/Caddyfile is not run')
    it('is run under CI', () => expect(process.env['CI']).to.equal(undefined))
    return
  }

  let system: TestSystem
  let caddy: ChildProcess
  let client: TlsClient
  const folder = temporaryFolder('caddy')

  before(async () => {
    const port = await freePort()
    const origin = `https://${HOST}:${port}`
    system = await startSystem(['api'], undefined, {
      PUBLIC_URL: `${origin}/comanda`,
      TRUSTED_PROXY_COUNT: 1,
    })
    const { host } = new URL(system.api.baseUrl)
    const ca = createCertificate(folder, HOST)
    const file = join(folder, 'Caddyfile')
    const configuration = readFileSync(FILE, 'utf8')
      .replace('127.0.0.1:8000 127.0.0.1:8001 {', `${host} {`)
      .replace(`${HOST} {`, `${origin} {\n\tbind 127.0.0.1\n\ttls ${folder}/tls.crt ${folder}/tls.key`)
    writeFileSync(file, `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${configuration}`)
    caddy = spawn('caddy', ['run', '--adapter', 'caddyfile', '--config', file], {
      env: { PATH: process.env['PATH'], HOME: folder },
      stdio: 'ignore',
    })
    await until('caddy listens', async () => {
      expect(caddy.exitCode).to.equal(null)
      return await isListening(port)
    })
    client = new TlsClient(origin, ca)
  })
  after(async () => {
    client.close()
    const ended = once(caddy, 'exit')
    caddy.kill('SIGKILL')
    await ended
    await system.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  it('serves the API over HTTP/2 with TLS under the path, and its Location leads to the order', async () => {
    const { restaurant_id } = await system.api.addRestaurant()
    const { menu_item_id } = await system.api.addItem(restaurant_id, 10)
    const body = JSON.stringify({ restaurant_id, items: [{ menu_item_id, quantity: 1 }] })
    const placed = await client.send('POST', '/comanda/api/v1/orders', {}, body)
    expect(placed.status, placed.body).to.equal(202)
    expect(placed.headers['strict-transport-security']).to.equal('max-age=31536000')
    expect((await client.send('GET', String(placed.headers.location))).status).to.equal(200)
  })

  it('passes each event of a stream on at once', async () => {
    const { restaurant_id } = await system.api.addRestaurant()
    const { menu_item_id } = await system.api.addItem(restaurant_id, 10)
    const { order_id } = await system.api.place(restaurant_id, [menu_item_id, 1])
    const received = client.follow(`/comanda/api/v1/orders/${order_id}/stream`)
    await until('the snapshot has arrived', () => received().includes('event:snapshot'))
    await system.api.cancel(order_id)
    await until('the event has arrived', () => received().includes('event:order.cancelled.v1'))
  })

  it('hides the metrics, the readiness and everything outside of the path', async () => {
    for (const path of ['/comanda/metrics', '/comanda/readyz', '/healthz'])
      expect((await client.send('GET', path)).status).to.equal(404)
    expect((await client.send('GET', '/comanda')).headers.location).to.equal('/comanda/')
  })
})
