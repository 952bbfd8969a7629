import { createSecretKey } from 'node:crypto'
import { expect } from 'chai'
import { exportSPKI, generateKeyPair, SignJWT } from 'jose'
import { createApiKey, revokeApiKey } from '../../src/http/auth/api-keys.ts'
import { Sessions } from '../../src/http/auth/sessions.ts'
import type { Scope } from '../../src/platform/caller.ts'
import { quiet } from '../support/log.ts'
import { startApi } from '../support/start-role.ts'
import { startSystem, type TestSystem, testConfig } from '../support/system.ts'
import { expectProblem } from './expect-problem.ts'
import { type RawReply, send } from './send.ts'

const json = { 'content-type': 'application/json' }
const ours = { 'sec-fetch-site': 'same-origin' }

describe('sessions of the pages', () => {
  let system: TestSystem
  let key: string
  let key_id: string
  /** e.g. `__Host-comanda=…` */
  let cookie: string

  before(async () => {
    system = await startSystem(['api'], undefined, { AUTH_MODE: 'api-key', FAILED_LOGINS_PER_MINUTE: 0 })
    const scopes: Scope[] = ['inventory:read', 'inventory:write', 'orders:read']
    ;({ key, key_id } = await createApiKey(system.database, { name: 'pass-1', scopes }))
    cookie = (await signIn()).headers['set-cookie']?.[0]?.split(';')[0] ?? ''
  })
  after(() => system.stop())

  async function call(
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: object,
  ): Promise<RawReply> {
    return await send(system.api.baseUrl, {
      method,
      path,
      headers: { ...headers, ...(body ? json : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
  }

  const signIn = (token = key) => call('POST', '/session', { authorization: `Bearer ${token}` })
  const list = (headers: Record<string, string>) => call('GET', '/api/v1/restaurants', { cookie, ...headers })
  const add = (headers: Record<string, string>) =>
    call('POST', '/api/v1/inventory/add/restaurant', { cookie, ...headers }, { name: 'Trattoria' })

  it('are a sealed cookie that scripts cannot read and other sites do not send', async () => {
    const { status, headers } = await signIn()
    expect(status).to.equal(204)
    const [set = ''] = headers['set-cookie'] ?? []
    expect(set).to.match(
      /^__Host-comanda=[\w.-]+; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=2592000$/,
    )
    expect(Buffer.from(set, 'base64url').toString('latin1') + set).not.to.include(key)
  })

  it('begin only with a valid token, in the header', async () => {
    expectProblem(await signIn(`${key}x`), { code: 'unauthenticated' })
    expectProblem(await call('POST', '/session', { cookie, ...ours, 'idempotency-key': 'one' }), {
      code: 'unauthenticated',
    })
    expectProblem(await call('GET', '/session', {}), { code: 'unauthenticated' })
  })

  it('say what the caller may do', async () => {
    const { status, headers, text } = await call('GET', '/session', { cookie, ...ours })
    expect(status).to.equal(200)
    expect(headers['cache-control']).to.equal('no-store')
    expect(JSON.parse(text)).to.deep.equal({
      scopes: ['inventory:read', 'inventory:write', 'orders:read'],
      restaurants: null,
      demo: false,
      signed_in: true,
    })
  })

  const own = () => new URL(system.api.baseUrl).origin
  const navigation = { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }

  it('read for our own pages and typed addresses, and for no other page', async () => {
    for (const headers of [ours, navigation]) expect((await list(headers)).status).to.equal(200)
    const refused: Record<string, string>[] = [
      {},
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' },
      { origin: own() },
      { origin: 'https://evil.example' },
    ]
    for (const headers of refused) expect((await list(headers)).status, JSON.stringify(headers)).to.equal(401)
  })

  it('change only for our own pages, and only with an Idempotency-Key', async () => {
    let count = 0
    const withKey = () => ({ 'idempotency-key': `change-${++count}` })
    expect((await add({ ...ours, ...withKey() })).status).to.equal(201)
    // A browser without Sec-Fetch-Site sends the origin.
    expect((await add({ origin: own(), ...withKey() })).status).to.equal(201)
    const refused: Record<string, string>[] = [
      ours,
      { origin: own() },
      { ...navigation, ...withKey() },
      withKey(),
      { origin: 'null', ...withKey() },
      { origin: 'https://evil.example', ...withKey() },
      { origin: `${own()}.evil.example`, ...withKey() },
      { 'sec-fetch-site': 'cross-site', origin: own(), ...withKey() },
      { 'sec-fetch-site': 'same-site', ...withKey() },
    ]
    for (const headers of refused) expect((await add(headers)).status, JSON.stringify(headers)).to.equal(401)
  })

  it('yield to an Authorization header, also to a wrong one', async () => {
    expect((await list({ ...ours, authorization: 'Bearer wrong' })).status).to.equal(401)
    expect((await list({ authorization: `Bearer ${key}`, cookie: '__Host-comanda=broken' })).status).to.equal(
      200,
    )
  })

  it('of a changed, foreign or unsealed cookie do not exist', async () => {
    const [name = '', sealed = ''] = cookie.split('=')
    const middle = Math.floor(sealed.length / 2)
    const flipped = sealed.charAt(middle) === 'A' ? 'B' : 'A'
    const cookies = [
      await foreignCookie(),
      `${name}=${sealed.slice(0, middle)}${flipped}${sealed.slice(middle + 1)}`,
      `${name}=${key}`,
      `${name}=`,
      `comanda=${sealed}`,
    ]
    for (const wrong of cookies) expect((await list({ ...ours, cookie: wrong })).status, wrong).to.equal(401)
    expect((await list(ours)).status).to.equal(200)
  })

  /** The cookie of another system for the same key. */
  async function foreignCookie(): Promise<string> {
    const set: string[] = []
    const context = { append: (_: string, value: string) => set.push(value) }
    await new Sessions(createSecretKey(Buffer.alloc(32)), system.api.baseUrl).begin(context as never, key)
    return set[0]?.split(';')[0] ?? ''
  }

  it('lead from /docs to the sign-in and back, but only people', async () => {
    const person = await call('GET', '/docs', { 'sec-fetch-mode': 'navigate' })
    expect([person.status, person.headers.location]).to.deep.equal([302, 'board?next=docs'])
    expect((await call('GET', '/docs', {})).status).to.equal(401)
    expect((await call('GET', '/openapi.json', { 'sec-fetch-mode': 'navigate' })).status).to.equal(401)
    expect((await call('GET', '/docs', { cookie, ...navigation })).status).to.equal(200)
  })

  it('end for our own pages, with all that the browser keeps', async () => {
    expectProblem(await call('DELETE', '/session', { cookie }), { code: 'forbidden' })
    const { status, headers } = await call('DELETE', '/session', { cookie, ...ours })
    expect(status).to.equal(204)
    expect(headers['set-cookie']?.[0]).to.match(/^__Host-comanda=; .*Max-Age=0$/)
    expect(headers['clear-site-data']).to.equal('"cache", "storage"')
  })

  it('refuse a token that browsers would not keep', async () => {
    const sessions = new Sessions(createSecretKey(Buffer.alloc(32)), system.api.baseUrl)
    const outcome = sessions.begin({ append: () => undefined } as never, 'x'.repeat(3_100))
    expect(await outcome.catch(({ code }: { code: string }) => code)).to.equal('payload-too-large')
  })

  it('begin with a JWT, too, last as long as it does, and are known to every API process', async () => {
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true })
    const [issuer, audience] = ['https://issuer.example', 'comanda']
    const JWT_PUBLIC_KEY = await exportSPKI(publicKey)
    const config = { ...testConfig, AUTH_MODE: 'jwt', JWT_ISSUER: issuer, JWT_AUDIENCE: audience } as const
    const token = await new SignJWT({ scope: 'inventory:read' })
      .setProtectedHeader({ alg: 'RS256' })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject('pass-1')
      .setExpirationTime('5 minutes')
      .sign(privateKey)
    const apis = [
      await startApi({ ...config, JWT_PUBLIC_KEY }, system.url, quiet),
      await startApi({ ...config, JWT_PUBLIC_KEY }, system.url, quiet),
    ] as const
    const headers = { authorization: `Bearer ${token}` }
    const begun = await send(apis[0].url, { method: 'POST', path: '/session', headers })
    const [set = ''] = begun.headers['set-cookie'] ?? []
    expect(Number(/Max-Age=(\d+)$/.exec(set)?.[1])).to.be.within(200, 300)
    const own = { cookie: set.split(';')[0] ?? '', ...ours }
    const opened = await send(apis[1].url, { method: 'GET', path: '/session', headers: own })
    expect(opened.status).to.equal(200)
    expect(JSON.parse(opened.text)).to.deep.include({ scopes: ['inventory:read'], signed_in: true })
    for (const api of apis) await api.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
  })

  it('end when their key is revoked', async () => {
    await revokeApiKey(system.database, key_id)
    // Another API process, which has not cached the key.
    const other = await startApi({ ...testConfig, AUTH_MODE: 'api-key' }, system.url, quiet)
    const request = { method: 'GET', path: '/session', headers: { cookie, ...ours } }
    expect((await send(other.url, request)).status).to.equal(401)
    await other.stop(testConfig.SHUTDOWN_TIMEOUT_MS)
  })
})
