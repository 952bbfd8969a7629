import type { LookupAddress } from 'node:dns'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { expect } from 'chai'
import { sendDelivery } from '../../src/webhooks/delivery/send.ts'
import { ssrfGuardedAgent } from '../../src/webhooks/delivery/ssrf-guard.ts'
import { isPublicAddress } from '../../src/webhooks/public-address.ts'
import { newSecret } from '../../src/webhooks/webhook-secret.ts'
import { validateWebhookUrl } from '../../src/webhooks/webhook-url.ts'

/**
 * Hosts that are, or could be parsed as, internal: loopback (the canary), private, or not in public
 * DNS.
 */
const inside = {
  loopback: [
    '127.0.0.1',
    '127.1',
    '127.0.1',
    '127.255.255.254',
    'localhost',
    'LOCALHOST',
    'localhost.',
    'a.localhost',
  ],
  'decimal, octal, hexadecimal': [
    '2130706433',
    '017700000001',
    '0x7f000001',
    '0x7f.1',
    '0177.0.0.1',
    '0x7f.0x0.0x0.0x1',
  ],
  unspecified: ['0.0.0.0', '0', '[::]'],
  'IPv6 loopback': ['[::1]', '[0:0:0:0:0:0:0:1]'],
  'IPv4 in IPv6': [
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[0:0:0:0:0:ffff:7f00:0001]',
    '[::127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[64:ff9b:1::7f00:1]',
    '[2002:7f00:1::]',
    '[2001:0:7f00:1::]',
  ],
  private: [
    '10.0.0.1',
    '10.255.255.255',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '[fd00::1]',
    '[fc00::1]',
    '[fec0::1]',
  ],
  'link-local, with the metadata of clouds': [
    '169.254.169.254',
    '169.254.0.1',
    '[fe80::1]',
    '[fd00:ec2::254]',
    'metadata.google.internal',
  ],
  'carrier-grade NAT': ['100.64.0.1', '100.127.255.255', '100.100.100.200'],
  'multicast, broadcast, reserved': [
    '224.0.0.1',
    '239.255.255.250',
    '255.255.255.255',
    '240.0.0.1',
    '192.0.0.1',
    '192.0.2.1',
    '198.18.0.1',
    '198.51.100.1',
    '203.0.113.1',
    '[ff02::1]',
    '[2001:db8::1]',
    '[100::1]',
  ],
  'names of networks': ['intranet', 'db.internal', 'printer.local', 'router.lan', 'x.home.arpa'],
}

describe('SSRF protection of webhooks', () => {
  const canaries: Server[] = []
  const sockets = new Set<Socket>()
  let port: number
  let connections = 0

  before(async () => {
    const listen = async (host: string, wanted: number) => {
      const canary = createServer(socket => {
        connections++
        sockets.add(socket)
        socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
      })
      await new Promise<void>((done, fail) => canary.once('error', fail).listen(wanted, host, done))
      canaries.push(canary)
      return (canary.address() as AddressInfo).port
    }
    port = await listen('127.0.0.1', 0)
    // A machine without IPv6 has no IPv6 loopback to reach.
    await listen('::1', port).catch(() => undefined)
  })
  beforeEach(() => {
    connections = 0
  })
  after(async () => {
    for (const socket of sockets) socket.destroy()
    for (const canary of canaries) await new Promise(done => canary.close(done))
  })

  /** Sends one delivery like a worker does, but without validating its URL. */
  async function attempt(
    url: string,
    { resolve, allowPrivate = false }: { resolve?: () => LookupAddress[]; allowPrivate?: boolean } = {},
  ) {
    const agent = ssrfGuardedAgent({
      allowPrivate,
      connections: 1,
      ...(resolve ? { resolve: (_, __, callback) => callback(null, resolve()) } : {}),
    })
    try {
      const envelope = { delivery_id: 'd', url, secrets: [newSecret()], body: '{}' }
      return await sendDelivery(agent, envelope, new AbortController().signal)
    } finally {
      await agent.destroy()
    }
  }

  const address = (value: string): LookupAddress => ({ address: value, family: value.includes(':') ? 6 : 4 })
  const refused = 'the host leads to an address that is not public'

  it('reaches the canary when private addresses are allowed', async () => {
    expect((await attempt(`http://127.0.0.1:${port}/`, { allowPrivate: true })).status).to.equal(200)
    expect(connections).to.equal(1)
  })

  const hosts = Object.entries(inside).flatMap(([kind, group]) => group.map(host => [kind, host] as const))
  it(`refuses ${hosts.length} hosts in a URL`, () => {
    for (const [kind, host] of hosts)
      expect(validateWebhookUrl(`https://${host}:${port}/`, false), `${kind}: ${host}`).to.equal(
        'must be on a public host',
      )
  })

  it('connects to none of them when the URL is not validated', async () => {
    for (const [kind, host] of hosts) {
      for (const scheme of ['http', 'https']) {
        // Every name resolves to the canary.
        const resolve = () => [address('127.0.0.1')]
        const { status, error } = await attempt(`${scheme}://${host}:${port}/`, { resolve })
        expect([status, error], `${kind}: ${scheme}://${host}`).to.deep.equal([null, refused])
      }
    }
    expect(connections).to.equal(0)
  })

  it('checks every address of a name at connection time, so that DNS rebinding fails', async () => {
    const url = `http://rebinding.example.com:${port}/`
    for (const addresses of [
      ['127.0.0.1'],
      ['::1'],
      ['::ffff:127.0.0.1'],
      ['93.184.215.14', '127.0.0.1'],
      ['127.0.0.1', '93.184.215.14'],
      ['2606:2800:21f:cb07:6820:80da:af6b:8b2c', '::1'],
      [],
    ]) {
      const sent = await attempt(url, { resolve: () => addresses.map(address) })
      expect(sent.error, addresses.join()).to.equal(refused)
    }
    // Public when the webhook was added, private when the worker connects.
    let lookups = 0
    const rebinding = () => [address(lookups++ === 0 ? '192.0.2.77' : '127.0.0.1')]
    expect(rebinding()).to.deep.equal([address('192.0.2.77')])
    expect((await attempt(url, { resolve: rebinding })).error).to.equal(refused)
    expect([lookups, connections]).to.deep.equal([2, 0])
  })

  it('refuses other schemes, credentials and fragments', () => {
    for (const url of [
      `http://example.com/`,
      'ftp://example.com/',
      'file:///etc/passwd',
      'gopher://example.com/',
      'data:text/plain,x',
      'javascript:alert(1)',
      'ws://example.com/',
      'unix:/var/run/docker.sock',
      'https://name@example.com/',
      'https://name:word@example.com/',
      'https://example.com@127.0.0.1/',
      'https://example.com/#x',
      'https://',
      'https:///',
      '//example.com/',
      '/hooks',
      'example.com',
      '',
    ])
      expect(validateWebhookUrl(url, false), url).to.be.a('string')
  })

  it('accepts public hosts', () => {
    for (const url of [
      'https://example.com/hooks?x=1',
      'https://8.8.8.8:8443/',
      'https://[2606:4700::1111]/',
      'https://bücher.example/',
    ])
      expect(validateWebhookUrl(url, false), url).to.equal(undefined)
    for (const each of ['8.8.8.8', '1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700::1111'])
      expect(isPublicAddress(each), each).to.equal(true)
    for (const each of ['', 'x', '127.1', '2130706433', '8.8.8.8.8', '::ffff:8.8.8.8'])
      expect(isPublicAddress(each), each).to.equal(false)
  })

  it('accepts private hosts and http in development', () => {
    for (const url of ['http://127.0.0.1:8787/', 'http://localhost/', 'https://10.0.0.1/'])
      expect(validateWebhookUrl(url, true), url).to.equal(undefined)
    expect(validateWebhookUrl('ftp://localhost/', true)).to.be.a('string')
    expect(validateWebhookUrl('http://name@localhost/', true)).to.be.a('string')
  })
})
