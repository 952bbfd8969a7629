import type { Guard } from './guards.ts'

const authorisation = ['test/http/authorisation.test.ts']
const jwt = ['test/http/jwt.test.ts']
const limits = ['test/http/limits.test.ts']
const input = ['test/http/bad-input.test.ts']

/** What keeps strangers out, and callers in their bounds. */
export const httpGuards: Guard[] = [
  {
    name: 'authentication',
    about: 'the refusal of a wrong token',
    file: 'src/http/auth/authenticate.ts',
    edits: [['if (caller) return caller', 'return caller ?? ANYONE']],
    tests: authorisation,
  },
  {
    name: 'revocation',
    about: 'the look at whether a key is revoked',
    file: 'src/http/auth/api-keys.ts',
    edits: [['where hash = $1\n    and revoked_at is null', 'where hash = $1']],
    tests: authorisation,
  },
  {
    name: 'scopes',
    about: 'the scope that an operation needs',
    file: 'src/platform/caller.ts',
    edits: [['if (caller.scopes.has(scope)) return', 'if (caller.scopes.size > 0) return']],
    tests: authorisation,
  },
  {
    name: 'restaurant-binding',
    about: 'what a bound caller sees',
    file: 'src/platform/caller.ts',
    edits: [
      [
        'return restaurants === undefined || restaurants.has(restaurantId)',
        'return restaurants?.has(restaurantId) !== null',
      ],
    ],
    tests: authorisation,
  },
  {
    name: 'binding-of-changes',
    about: 'the look at whose order it is before a change',
    file: 'src/orders/change-order-routes.ts',
    edits: [['      if (caller.restaurants) await readAccessibleOrder(tx, caller, orderId)\n', '']],
    tests: authorisation,
  },
  {
    name: 'binding-of-lists',
    about: 'the restaurants that a list of orders is kept to',
    file: 'src/orders/read-order-routes.ts',
    edits: [['return caller.restaurants && [...caller.restaurants]', 'return undefined']],
    tests: authorisation,
  },
  {
    name: 'token-issuer',
    about: 'the issuer that a token must have',
    file: 'src/http/auth/jwt.ts',
    edits: [['    issuer,\n    audience,\n    alg', '    audience,\n    alg']],
    tests: jwt,
  },
  {
    name: 'token-audience',
    about: 'the audience that a token must have',
    file: 'src/http/auth/jwt.ts',
    edits: [['    issuer,\n    audience,\n    alg', '    issuer,\n    alg']],
    tests: jwt,
  },
  {
    name: 'token-algorithm',
    about: 'the one algorithm that a token may be signed with',
    file: 'src/http/auth/jwt.ts',
    edits: [['    algorithms: [algorithm],\n', '']],
    tests: jwt,
  },
  {
    name: 'token-end',
    about: 'that a token must have an end and a holder',
    file: 'src/http/auth/jwt.ts',
    edits: [["    requiredClaims: ['exp', 'sub'],\n", '']],
    tests: jwt,
  },
  {
    name: 'no-strangers',
    about: 'the refusal to listen to strangers who are not asked who they are',
    file: 'src/processes/choose-authenticator.ts',
    edits: [['if (isLoopback(HOST) || ALLOW_INSECURE) return', "if (HOST !== '') return"]],
    tests: jwt,
  },
  {
    name: 'failed-logins',
    about: 'the shut-out of an address that guesses',
    file: 'src/http/auth/limit-failed-logins.ts',
    edits: [['if (until > clock() && !knownGoodTokens.has(hash)) refuse(until)', '']],
    tests: ['test/http/failed-logins.test.ts'],
  },
  {
    name: 'forwarded-for',
    about: 'how many proxies are believed',
    file: 'src/http/server/app.ts',
    edits: [
      [
        'proxy: trustedProxyCount > 0, maxIpsCount: trustedProxyCount',
        'proxy: true, maxIpsCount: trustedProxyCount',
      ],
    ],
    tests: ['test/http/failed-logins.test.ts'],
  },
  {
    name: 'rate-limit',
    about: 'the refusal of one request too many',
    file: 'src/http/auth/rate-limit.ts',
    edits: [['if (isRefused) throw', 'if (isRefused && seconds < 0) throw']],
    tests: limits,
  },
  {
    name: 'connections-per-address',
    about: 'the end of one connection too many from an address',
    file: 'src/http/server/limit-connections.ts',
    edits: [['      socket.destroy()\n', '']],
    tests: limits,
  },
  {
    name: 'host-names',
    about: 'the names that the API may be called by',
    file: 'src/http/server/require-host.ts',
    edits: [['if (names && !names.has(', 'if (names?.size === 0 && !names.has(']],
    tests: ['test/http/hosts.test.ts'],
  },
  {
    name: 'slow-senders',
    about: 'the time that a request may take to come',
    file: 'src/http/server/server.ts',
    edits: [
      ['headersTimeout: limits.headersTimeoutMs', 'headersTimeout: 0'],
      ['requestTimeout: limits.requestTimeoutMs', 'requestTimeout: 0'],
    ],
    tests: limits,
  },
  {
    name: 'slow-readers',
    about: 'the end of a connection that does not take its answer',
    file: 'src/http/server/server.ts',
    edits: [['if (socket.writableLength > 0) socket.destroy()', 'socket.resume()']],
    tests: limits,
  },
  {
    name: 'body-size',
    about: 'the bytes that a body may have',
    file: 'src/http/body.ts',
    edits: [['textLimit: MAX_BODY_BYTES', 'textLimit: MAX_BODY_BYTES * 100']],
    tests: input,
  },
  {
    name: 'json-depth',
    about: 'the levels that JSON may have',
    file: 'src/http/body.ts',
    edits: [['if (isDeeperThan(MAX_JSON_DEPTH, value))', 'if (isDeeperThan(MAX_JSON_DEPTH * 1e6, value))']],
    tests: input,
  },
  {
    name: 'if-match',
    about: 'the version that an order is to be changed from',
    file: 'src/orders/change-status.ts',
    edits: [['if (versions && !versions.includes(order.version))', 'if (versions?.length === -1)']],
    tests: ['test/http/if-match.test.ts'],
  },
  {
    name: 'cursor-signature',
    about: 'the signature of a cursor',
    file: 'src/http/cursor.ts',
    edits: [['      timingSafeEqual(signature, this.#sign(list, payload)) &&\n', '']],
    tests: ['test/http/lists.test.ts'],
  },
  {
    name: 'cursor-list',
    about: 'the list in the signature of a cursor',
    file: 'src/http/cursor.ts',
    edits: [['      .update(`${Buffer.byteLength(list)}:${list}`)\n', '']],
    tests: ['test/http/lists.test.ts'],
  },
  {
    name: 'idempotency-record',
    about: 'the look for an earlier answer to the same key',
    file: 'src/http/idempotency.ts',
    edits: [['    if (earlier) return earlier\n', '']],
    tests: ['test/http/idempotency.test.ts'],
  },
  {
    name: 'idempotency-fingerprint',
    about: 'whether a key comes with the same request',
    file: 'src/http/idempotency.ts',
    edits: [['if (answer.fingerprint !== fingerprint)', "if (answer.fingerprint === '')"]],
    tests: ['test/http/idempotency.test.ts'],
  },
  {
    name: 'cors-origins',
    about: 'whose pages may call from a browser',
    file: 'src/http/server/cors.ts',
    edits: [["return allowed.has(origin) ? origin : ''", 'return origin || [...allowed][0]']],
    tests: ['test/http/cors.test.ts'],
  },
]
