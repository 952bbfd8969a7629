import type { KeyObject } from 'node:crypto'
import { CompactEncrypt, compactDecrypt, decodeJwt, errors } from 'jose'
import type { Context } from 'koa'
import { deriveApiKey } from '../../db/read-api-secret.ts'
import type { Sql } from '../../db/transaction.ts'
import { nowMs } from '../../platform/clock.ts'
import { ExpectedError } from '../../platform/errors.ts'

/** Browsers accept the prefix only with `Secure`, `Path=/` and without `Domain`. */
const COOKIE = '__Host-comanda'
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict'
/** Browsers keep at least this many bytes of a cookie with its attributes. */
const MAX_COOKIE_BYTES = 4_096
const KEY_SESSION_SECONDS = 30 * 24 * 60 * 60
const SAFE_METHODS = new Set(['GET', 'HEAD'])

/**
 * Sessions of the pages: a cookie with the token of the caller, sealed so that only API processes
 * of this database can read it. Nothing is stored. The token is verified at each request as if it
 * came in the `Authorization` header, so that a revoked key ends its sessions, too.
 */
export class Sessions {
  readonly #key: KeyObject
  readonly #publicOrigin: string

  constructor(key: KeyObject, publicUrl: string) {
    this.#key = key
    this.#publicOrigin = new URL(publicUrl).origin
  }

  /** Derives the key from the secret that all API processes of the database share. */
  static async open(sql: Sql, publicUrl: string): Promise<Sessions> {
    return new Sessions(await deriveApiKey(sql, 'session'), publicUrl)
  }

  /**
   * Sets the cookie: until a JWT expires, and for 30 days with an API key.
   * @throws payload-too-large when browsers would not keep the cookie
   */
  async begin(ctx: Context, token: string): Promise<void> {
    const nowSeconds = Math.floor(nowMs() / 1_000)
    const until = expiryOf(token) ?? nowSeconds + KEY_SESSION_SECONDS
    const sealed = await new CompactEncrypt(Buffer.from(JSON.stringify({ token, until })))
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .encrypt(this.#key)
    const cookie = `${COOKIE}=${sealed}; ${ATTRIBUTES}; Max-Age=${Math.max(0, until - nowSeconds)}`
    if (cookie.length > MAX_COOKIE_BYTES)
      throw new ExpectedError('payload-too-large', 'The token is too long to be kept in a cookie of 4 kB')
    ctx.append('Set-Cookie', cookie)
  }

  end(ctx: Context): void {
    ctx.append('Set-Cookie', `${COOKIE}=; ${ATTRIBUTES}; Max-Age=0`)
    ctx.set('Clear-Site-Data', '"cache", "storage"')
  }

  /**
   * Returns the token of the session that a request of our own pages carries, or undefined. Pages
   * of other sites cannot use the session, although the browser may send its cookie.
   */
  async tokenOf(ctx: Context): Promise<string | undefined> {
    const sealed = ctx.cookies.get(COOKIE)
    if (sealed === undefined || !this.isOurPage(ctx)) return undefined
    // Other sites cannot send this header without a preflight, which refuses it.
    if (!SAFE_METHODS.has(ctx.method) && ctx.req.headers['idempotency-key'] === undefined) return undefined
    const session = await this.#unseal(sealed)
    return session && session.until > nowMs() / 1_000 ? session.token : undefined
  }

  /** Whether the browser says that a page of this server, or a person, sends the request. */
  isOurPage({ req, method }: Context): boolean {
    const { 'sec-fetch-site': site, 'sec-fetch-mode': mode, origin, host } = req.headers
    if (site === 'same-origin') return true
    // A typed address or a bookmark.
    if (site === 'none') return SAFE_METHODS.has(method) && mode === 'navigate'
    // Browsers without these headers send the origin with each change.
    if (site !== undefined || origin === undefined || SAFE_METHODS.has(method)) return false
    return origin === this.#publicOrigin || (URL.canParse(origin) && new URL(origin).host === host)
  }

  async #unseal(sealed: string): Promise<{ token: string; until: number } | undefined> {
    try {
      const { plaintext } = await compactDecrypt(sealed, this.#key, {
        keyManagementAlgorithms: ['dir'],
        contentEncryptionAlgorithms: ['A256GCM'],
      })
      return JSON.parse(new TextDecoder().decode(plaintext)) as { token: string; until: number }
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined
      throw error
    }
  }
}

/** Returns the time in seconds at which a JWT expires; undefined for an API key. */
function expiryOf(token: string): number | undefined {
  try {
    return decodeJwt(token).exp
  } catch (error) {
    if (error instanceof errors.JWTInvalid) return undefined
    throw error
  }
}
