import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { createApiKey } from '../../src/http/auth/api-keys.ts'
import type { Authenticator } from '../../src/http/auth/authenticate.ts'
import { clientNetwork } from '../../src/http/auth/client-network.ts'
import { limitFailedLogins } from '../../src/http/auth/limit-failed-logins.ts'
import { ANYONE } from '../../src/platform/caller.ts'
import { TooManyRequests } from '../../src/platform/errors.ts'
import { type LogLine, quiet, recordingLog } from '../support/log.ts'
import { startApi } from '../support/start-role.ts'
import { startSystem, type TestSystem, testConfig } from '../support/system.ts'
import { expectProblem } from './expect-problem.ts'
import { type RawReply, send } from './send.ts'

const LIMIT = 3
const keyed = { AUTH_MODE: 'api-key', FAILED_LOGINS_PER_MINUTE: LIMIT } as const

describe('failed logins', () => {
  /** behind a proxy that sets X-Forwarded-For */
  let proxied: TestSystem
  /** without a proxy */
  let direct: TestSystem
  let lines: LogLine[]
  let addressCount = 0

  before(async () => {
    const recording = recordingLog()
    lines = recording.lines
    proxied = await startSystem(['api'], recording.log, { ...keyed, TRUSTED_PROXY_COUNT: 1 })
    direct = await startSystem(['api'], undefined, keyed)
  })
  after(async () => {
    await proxied.stop()
    await direct.stop()
  })

  const newAddress = () => `203.0.113.${++addressCount}`
  const wrong = () => `comanda_${randomBytes(32).toString('base64url')}`
  const rightOf = async ({ database }: TestSystem) =>
    await createApiKey(database, { name: 'test', scopes: ['inventory:read'] })

  async function call(baseUrl: string, token: string, forwardedFor: string): Promise<RawReply> {
    const headers = { authorization: `Bearer ${token}`, 'x-forwarded-for': forwardedFor }
    return await send(baseUrl, { method: 'GET', path: '/api/v1/restaurants', headers })
  }
  const from = (address: string, token: string) => call(proxied.api.baseUrl, token, address)

  async function exhaust(address: string): Promise<void> {
    for (let count = 0; count < LIMIT; count++)
      expectProblem(await from(address, wrong()), { code: 'unauthenticated' })
  }

  function expectShutOut(reply: RawReply): void {
    expectProblem(reply, { code: 'too-many-failed-logins' })
    expect(Number(reply.headers['retry-after'])).to.be.within(1, 60)
  }

  it('block only their own address for a while', async () => {
    const [guesser, other] = [newAddress(), newAddress()]
    const { key } = await rightOf(proxied)
    await exhaust(guesser)
    expectShutOut(await from(guesser, wrong()))
    expectShutOut(await from(guesser, key))
    expect((await from(other, key)).status).to.equal(200)
    expectProblem(await from(other, wrong()), { code: 'unauthenticated' })
    const warnings = lines.filter(({ msg }) => msg.startsWith('address blocked'))
    expect(warnings.map(({ address }) => address)).to.deep.equal([guesser])
  })

  it('do not block known good tokens at the same address', async () => {
    const address = newAddress()
    const { key } = await rightOf(proxied)
    expect((await from(address, key)).status).to.equal(200)
    await exhaust(address)
    expectShutOut(await from(address, wrong()))
    expect((await from(address, key)).status).to.equal(200)
  })

  it('are counted across all processes', async () => {
    const second = await startApi({ ...testConfig, ...keyed, TRUSTED_PROXY_COUNT: 1 }, proxied.url, quiet)
    try {
      const address = newAddress()
      await exhaust(address)
      expectShutOut(await call(second.url, wrong(), address))
    } finally {
      await second.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
    }
  })

  it('do not include requests without a token or without permission', async () => {
    const address = newAddress()
    const { key } = await createApiKey(proxied.database, { name: 'test', scopes: ['orders:read'] })
    for (let count = 0; count < 2 * LIMIT; count++) {
      expectProblem(await from(address, key), { code: 'forbidden' })
      const anonymous = { method: 'GET', path: '/docs', headers: { 'x-forwarded-for': address } }
      expectProblem(await send(proxied.api.baseUrl, anonymous), { code: 'unauthenticated' })
    }
    expectProblem(await from(address, wrong()), { code: 'unauthenticated' })
  })

  it('count for the address that the outermost trusted proxy added', async () => {
    const guesser = newAddress()
    for (let count = 0; count < LIMIT; count++)
      expectProblem(await from(`${newAddress()}, ${guesser}`, wrong()), { code: 'unauthenticated' })
    expectShutOut(await from(`${newAddress()}, ${guesser}`, wrong()))
    expectProblem(await from(`${guesser}, ${newAddress()}`, wrong()), { code: 'unauthenticated' })
  })

  it('count for the address of the connection without trusted proxies', async () => {
    for (let count = 0; count < LIMIT; count++)
      expectProblem(await call(direct.api.baseUrl, wrong(), newAddress()), { code: 'unauthenticated' })
    expectShutOut(await call(direct.api.baseUrl, wrong(), newAddress()))
  })
})

describe('a blocked address', () => {
  let now: number
  let isRefused: boolean
  let right: string[]
  let looked: string[]
  let limited: Authenticator

  beforeEach(() => {
    now = 1_000_000
    isRefused = true
    right = ['right']
    looked = []
    limited = limitFailedLogins(
      async token => {
        looked.push(token)
        return right.includes(token) ? ANYONE : undefined
      },
      async () => ({ isRefused, leftCount: 0, seconds: 42 }),
      quiet,
      () => now,
    )
  })

  const attempt = (token: string) => limited(token, '203.0.113.1').catch((error: unknown) => error)
  const secondsOf = (failure: unknown) => failure instanceof TooManyRequests && failure.seconds

  it('is accepted again after Retry-After', async () => {
    expect(secondsOf(await attempt('wrong'))).to.equal(42)
    isRefused = false
    now += 41_500
    expect(secondsOf(await attempt('right'))).to.equal(1)
    now += 500
    expect(await attempt('wrong')).to.equal(undefined)
    expect(await attempt('right')).to.equal(ANYONE)
  })

  it('is checked only for known good tokens that have not failed since', async () => {
    await attempt('right')
    await attempt('wrong')
    expect(await attempt('right')).to.equal(ANYONE)
    right = []
    for (let count = 0; count < 3; count++) expect(secondsOf(await attempt('right'))).to.equal(42)
    await attempt('another')
    expect(looked).to.deep.equal(['right', 'wrong', 'right', 'right'])
  })
})

describe('clientNetwork', () => {
  const same: [network: string, ...addresses: string[]][] = [
    ['203.0.113.7', '203.0.113.7', '::ffff:203.0.113.7'],
    ['2001:db8:1:2::/64', '2001:db8:1:2::1', '2001:0DB8:1:2:ffff::', '2001:db8:1:2:3:4:5:6'],
    ['2001:db8:0:0::/64', '2001:db8::', '2001:db8::5:6:7:8', '2001:db8:0:0:1::'],
    ['0:0:0:0::/64', '::1', '::'],
    ['fe80:0:0:0::/64', 'fe80::1%eth0'],
    ['64:ff9b:0:0::/64', '64:ff9b::203.0.113.7'],
    ['0:1:2:3::/64', '::1:2:3:4:5:203.0.113.7'],
    ['unknown', 'unknown'],
  ]
  for (const [network, ...addresses] of same) {
    it(`is ${network} for ${addresses.join(', ')}`, () => {
      for (const address of addresses) expect(clientNetwork(address)).to.equal(network)
    })
  }
})
