import { createHmac, createPublicKey, type webcrypto } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { base64url, exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { scopes } from '../../src/platform/caller.ts'
import { parseConfig } from '../../src/platform/config.ts'
import { chooseAuthenticator } from '../../src/processes/choose-authenticator.ts'
import { quiet } from '../support/log.ts'
import { startSystem, type TestSystem } from '../support/system.ts'
import { expectProblem } from './expect-problem.ts'
import { type RawReply, send } from './send.ts'

const issuer = 'https://issuer.example'
const audience = 'comanda'
const claims = { scope: scopes.join(' ') }
const now = () => Math.floor(Date.now() / 1_000)

describe('authorisation by JWT', () => {
  let keys: Awaited<ReturnType<typeof generateKeyPair>>
  let strange: Awaited<ReturnType<typeof generateKeyPair>>
  let pem: string
  let jwks: Server
  let jwksUrl: string
  let jwksStatus = 200
  /** one API with a configured key, one that fetches its keys */
  let systems: TestSystem[]

  before(async () => {
    keys = await generateKeyPair('RS256', { extractable: true })
    strange = await generateKeyPair('RS256', { extractable: true })
    pem = await exportSPKI(keys.publicKey)
    const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'current', alg: 'RS256', use: 'sig' }
    jwks = createServer((_, response) => {
      response.writeHead(jwksStatus, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ keys: [jwk] }))
    })
    await new Promise<void>(done => jwks.listen(0, '127.0.0.1', done))
    jwksUrl = `http://127.0.0.1:${(jwks.address() as AddressInfo).port}/jwks`
    const common = {
      AUTH_MODE: 'jwt',
      JWT_ISSUER: issuer,
      JWT_AUDIENCE: audience,
      FAILED_LOGINS_PER_MINUTE: 0,
    } as const
    systems = [
      await startSystem(['api'], undefined, { ...common, JWT_PUBLIC_KEY: pem }),
      await startSystem(['api'], undefined, { ...common, JWT_JWKS_URL: jwksUrl }),
    ]
  })
  after(async () => {
    for (const system of systems) await system.stop()
    jwks.closeAllConnections()
    await new Promise(done => jwks.close(done))
  })

  interface Changes {
    payload?: JWTPayload
    header?: object
    key?: webcrypto.CryptoKey
    alg?: string
  }

  async function token({ payload = {}, header = {}, key = keys.privateKey, alg = 'RS256' }: Changes = {}) {
    const all = { iss: issuer, aud: audience, sub: 'till-1', exp: now() + 300, ...claims, ...payload }
    return await new SignJWT(all).setProtectedHeader({ alg, kid: 'current', ...header }).sign(key)
  }

  /** Returns a token of arbitrary parts with the given signature. */
  function forged(header: object, payload: object, sign: (input: string) => string = () => ''): string {
    const input = [header, payload].map(part => base64url.encode(JSON.stringify(part))).join('.')
    return `${input}.${sign(input)}`
  }

  const good = () => ({ iss: issuer, aud: audience, sub: 'till-1', exp: now() + 300, ...claims })

  async function list(system: TestSystem, bearer: string, path = '/api/v1/restaurants'): Promise<RawReply> {
    return await send(system.api.baseUrl, {
      method: 'GET',
      path,
      headers: { authorization: `Bearer ${bearer}` },
    })
  }

  async function expectRefused(what: string, bearer: string): Promise<void> {
    for (const system of systems) {
      const reply = await list(system, bearer)
      expect(reply.status, `${what}: ${reply.text}`).to.equal(401)
      expectProblem(reply, { code: 'unauthenticated' })
      expect(reply.text).not.to.include(bearer.slice(0, 20))
    }
  }

  it('accepts a valid token of the issuer for this audience', async () => {
    for (const system of systems) {
      expect((await list(system, await token())).status).to.equal(200)
      const several = await token({ payload: { aud: ['other', audience], nbf: now() - 10 } })
      expect((await list(system, several)).status).to.equal(200)
    }
  })

  it('refuses alg none', async () => {
    for (const alg of ['none', 'None', 'NONE', ''])
      await expectRefused(alg, forged({ alg, kid: 'current' }, good()))
    const [header = '', payload = ''] = (await token()).split('.')
    await expectRefused('without a signature', `${header}.${payload}.`)
    await expectRefused('two parts', `${header}.${payload}`)
  })

  it('refuses HS256 signed with the public key as the secret', async () => {
    const der = createPublicKey(pem).export({ type: 'spki', format: 'der' })
    for (const secret of [pem, pem.trim(), der]) {
      const sign = (input: string) => createHmac('sha256', secret).update(input).digest('base64url')
      await expectRefused('HS256', forged({ alg: 'HS256', kid: 'current' }, good(), sign))
      await expectRefused('RS256 in name', forged({ alg: 'RS256', kid: 'current' }, good(), sign))
    }
  })

  it('refuses another algorithm even with the right key', async () => {
    const der = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
    for (const [alg, name, hash] of [
      ['PS256', 'RSA-PSS', 'SHA-256'],
      ['RS512', 'RSASSA-PKCS1-v1_5', 'SHA-512'],
    ] as const) {
      const key = await crypto.subtle.importKey('pkcs8', der, { name, hash }, false, ['sign'])
      await expectRefused(alg, await token({ alg, key }))
    }
  })

  it('refuses a token that is expired, not valid yet, or without expiry', async () => {
    await expectRefused('expired', await token({ payload: { exp: now() - 60 } }))
    await expectRefused('not yet', await token({ payload: { nbf: now() + 60 } }))
    const { exp: _, ...endless } = good()
    const unlimited = await new SignJWT(endless)
      .setProtectedHeader({ alg: 'RS256', kid: 'current' })
      .sign(keys.privateKey)
    await expectRefused('without exp', unlimited)
  })

  it('refuses a token of another issuer, for another audience, or without a subject', async () => {
    const wrong: JWTPayload[] = [
      { iss: 'https://other.example' },
      { iss: `${issuer}/` },
      { aud: 'other' },
      { aud: [] },
      { aud: `${audience} other` },
      { sub: '' },
      { sub: 'x'.repeat(201) },
    ]
    for (const payload of wrong) await expectRefused(JSON.stringify(payload), await token({ payload }))
  })

  it('refuses a token signed by another key, whatever its header says', async () => {
    const jwk = await exportJWK(strange.publicKey)
    const key = strange.privateKey
    await expectRefused('another key', await token({ key }))
    await expectRefused('its own key in jwk', await token({ key, header: { jwk } }))
    await expectRefused('its own keys at jku', await token({ key, header: { jku: jwksUrl } }))
    await expectRefused('a path for kid', await token({ key, header: { kid: '../../dev/null' } }))
    const crit = forged({ alg: 'RS256', crit: ['x'], x: 1 }, good(), () => 'AAAA')
    await expectRefused('an extension that must be understood', crit)
  })

  it('refuses a key id that the issuer does not publish', async () => {
    const [, fetching] = systems
    if (!fetching) throw new Error('there is no second system')
    expect((await list(fetching, await token({ header: { kid: 'unknown' } }))).status).to.equal(401)
  })

  it('refuses a modified token', async () => {
    const [header = '', , signature = ''] = (await token()).split('.')
    const other = base64url.encode(JSON.stringify({ ...good(), sub: 'admin' }))
    await expectRefused('payload', `${header}.${other}.${signature}`)
    await expectRefused('signature', `${await token()}A`)
    for (const nonsense of ['AbCdEf', '..', 'a.b.c', 'e30.e30.e30', `${'A'.repeat(4_000)}.e30.x`])
      await expectRefused(nonsense, nonsense)
  })

  it('ignores a token in the query, in a cookie or in the body', async () => {
    const valid = await token()
    for (const { api } of systems) {
      for (const name of ['access_token', 'token', 'authorization', 'jwt']) {
        const path = `/api/v1/restaurants?${name}=${valid}`
        expect((await send(api.baseUrl, { method: 'GET', path })).status).to.equal(401)
        const headers = { cookie: `${name}=${valid}` }
        expect(
          (await send(api.baseUrl, { method: 'GET', path: '/api/v1/restaurants', headers })).status,
        ).to.equal(401)
      }
    }
  })

  it('grants only the scopes and restaurants of the token', async () => {
    const [system] = systems
    if (!system) throw new Error('there is no system')
    for (const scope of ['', 'orders:read', 'inventory:reader', 'INVENTORY:READ', 'admin *'])
      expectProblem(await list(system, await token({ payload: { scope } })), { code: 'forbidden' })
    await system.database.execute(
      `insert into restaurants (restaurant_id, name, currency)
      select ('019a0000-0000-7000-8000-00000000000' || n)::uuid, 'R', 'EUR' from generate_series(1, 2) as n`,
    )
    const restaurants = ['019a0000-0000-7000-8000-000000000001']
    const reply = await list(system, await token({ payload: { restaurants } }))
    expect(JSON.parse(reply.text)).to.have.lengthOf(1)
    expect(
      JSON.parse((await list(system, await token({ payload: { restaurants: [] } }))).text),
    ).to.deep.equal([])
    await expectRefusedBy(system, await token({ payload: { restaurants: 'all' } }))
    await expectRefusedBy(system, await token({ payload: { restaurants: ['*'] } }))
  })

  async function expectRefusedBy(system: TestSystem, bearer: string): Promise<void> {
    expectProblem(await list(system, bearer), { code: 'unauthenticated' })
  }

  it('answers 503 while the keys of the issuer cannot be fetched', async () => {
    const config = parseConfig({
      AUTH_MODE: 'jwt',
      JWT_ISSUER: issuer,
      JWT_AUDIENCE: audience,
      JWT_JWKS_URL: jwksUrl,
    })
    const authenticate = await chooseAuthenticator(config, {} as never, quiet)
    jwksStatus = 500
    const failure: unknown = await authenticate?.(await token(), '127.0.0.1').catch((error: unknown) => error)
    jwksStatus = 200
    expect(failure).to.include({ code: 'auth-unavailable' })
  })
})

describe('starting the API', () => {
  const choose = (env: Record<string, string>) => chooseAuthenticator(parseConfig(env), {} as never, quiet)

  async function expectRefused(env: Record<string, string>, message: RegExp): Promise<void> {
    const failure: unknown = await choose(env).catch((error: unknown) => error)
    expect(failure).to.be.instanceOf(Error).with.property('message').that.matches(message)
  }

  it('is refused on a public address without authentication', async () => {
    for (const HOST of ['0.0.0.0', '::', '192.168.1.5', 'example.org', '127.evil.org']) {
      await expectRefused({ HOST }, /^HOST: [^\n]*ALLOW_INSECURE[^\n]*$/)
      expect(await choose({ HOST, ALLOW_INSECURE: 'true' })).to.equal(undefined)
      expect(await choose({ HOST, AUTH_MODE: 'api-key' })).to.be.a('function')
    }
    for (const HOST of ['127.0.0.1', '127.1.2.3', 'localhost', '::1'])
      expect(await choose({ HOST })).to.equal(undefined)
  })

  it('with JWT requires issuer, audience and one source of keys', async () => {
    const JWT_PUBLIC_KEY = 'not a key, but s3cret'
    const jwt = { AUTH_MODE: 'jwt', JWT_ISSUER: issuer, JWT_AUDIENCE: audience }
    await expectRefused({ ...jwt, JWT_ISSUER: '', JWT_PUBLIC_KEY }, /^JWT_ISSUER: /)
    await expectRefused({ ...jwt, JWT_AUDIENCE: '', JWT_PUBLIC_KEY }, /^JWT_AUDIENCE: /)
    await expectRefused(jwt, /^JWT_JWKS_URL: /)
    await expectRefused({ ...jwt, JWT_PUBLIC_KEY, JWT_JWKS_URL: 'https://issuer.example' }, /^JWT_JWKS_URL: /)
    await expectRefused({ ...jwt, JWT_PUBLIC_KEY }, /^JWT_PUBLIC_KEY: (?!.*s3cret)/)
  })
})
