import type { Safeguard } from './safeguards.ts'

const authorisation = ['test/http/authorisation.test.ts']
const jwt = ['test/http/jwt.test.ts']
const limits = ['test/http/limits.test.ts']
const tracking = ['test/http/tracking.test.ts']
const operations = ['test/ops/ops-changes.test.ts']
const privileges = ['test/processes/least-privilege.test.ts']
const input = ['test/http/bad-input.test.ts']

/** Authentication, authorization, and limits on what clients can send. */
export const httpSafeguards: Safeguard[] = [
  {
    name: 'authentication',
    about: 'the refusal of an invalid token',
    file: 'src/http/auth/authenticate.ts',
    edits: [['if (caller) return caller', 'return caller ?? ANYONE']],
    tests: authorisation,
  },
  {
    name: 'revocation',
    about: 'the revocation check of an API key',
    file: 'src/http/auth/api-keys.ts',
    edits: [['where hash = $1\n    and revoked_at is null', 'where hash = $1']],
    tests: authorisation,
  },
  {
    name: 'scopes',
    about: 'the scope check of an operation',
    file: 'src/platform/caller.ts',
    edits: [['if (caller.scopes.has(scope)) return', 'if (caller.scopes.size > 0) return']],
    tests: authorisation,
  },
  {
    name: 'restaurant-restriction',
    about: 'the restaurant check of a restricted caller',
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
    name: 'restricted-changes',
    about: 'the restaurant check before an order is changed',
    file: 'src/orders/change-order-routes.ts',
    edits: [['      if (caller.restaurants) await readAccessibleOrder(tx, caller, orderId)\n', '']],
    tests: authorisation,
  },
  {
    name: 'restricted-lists',
    about: 'the restaurant filter of an order list',
    file: 'src/orders/read-order-routes.ts',
    edits: [['return caller.restaurants && [...caller.restaurants]', 'return undefined']],
    tests: authorisation,
  },
  {
    name: 'token-issuer',
    about: 'the issuer check of a token',
    file: 'src/http/auth/jwt.ts',
    edits: [['    issuer,\n    audience,\n    alg', '    audience,\n    alg']],
    tests: jwt,
  },
  {
    name: 'token-audience',
    about: 'the audience check of a token',
    file: 'src/http/auth/jwt.ts',
    edits: [['    issuer,\n    audience,\n    alg', '    issuer,\n    alg']],
    tests: jwt,
  },
  {
    name: 'token-algorithm',
    about: 'the restriction of tokens to one algorithm',
    file: 'src/http/auth/jwt.ts',
    edits: [['    algorithms: [algorithm],\n', '']],
    tests: jwt,
  },
  {
    name: 'token-expiry',
    about: 'the required claims exp and sub of a token',
    file: 'src/http/auth/jwt.ts',
    edits: [["    requiredClaims: ['exp', 'sub'],\n", '']],
    tests: jwt,
  },
  {
    name: 'insecure-listen',
    about: 'the refusal to listen beyond loopback without authentication',
    file: 'src/processes/choose-authenticator.ts',
    edits: [['if (isLoopback(HOST) || ALLOW_INSECURE) return', "if (HOST !== '') return"]],
    tests: jwt,
  },
  {
    name: 'failed-logins',
    about: 'the block of an address after failed logins',
    file: 'src/http/auth/limit-failed-logins.ts',
    edits: [['if (until > clock() && !knownGoodTokens.has(hash)) refuse(until)', '']],
    tests: ['test/http/failed-logins.test.ts'],
  },
  {
    name: 'forwarded-for',
    about: 'the number of trusted proxies',
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
    about: 'the refusal of requests over the rate limit',
    file: 'src/http/auth/rate-limit.ts',
    edits: [['if (isRefused) throw', 'if (isRefused && seconds < 0) throw']],
    tests: limits,
  },
  {
    name: 'connections-per-address',
    about: 'the connection limit per address',
    file: 'src/http/server/limit-connections.ts',
    edits: [['      socket.destroy()\n', '']],
    tests: limits,
  },
  {
    name: 'host-names',
    about: 'the allowed host names',
    file: 'src/http/server/require-host.ts',
    edits: [['if (names && !names.has(', 'if (names?.size === 0 && !names.has(']],
    tests: ['test/http/hosts.test.ts'],
  },
  {
    name: 'slow-senders',
    about: 'the timeouts for receiving a request',
    file: 'src/http/server/server.ts',
    edits: [
      ['headersTimeout: limits.headersTimeoutMs', 'headersTimeout: 0'],
      ['requestTimeout: limits.requestTimeoutMs', 'requestTimeout: 0'],
    ],
    tests: limits,
  },
  {
    name: 'slow-readers',
    about: 'the end of a connection whose client does not read the response',
    file: 'src/http/server/server.ts',
    edits: [['if (socket.writableLength > 0) socket.destroy()', 'socket.resume()']],
    tests: limits,
  },
  {
    name: 'body-size',
    about: 'the size limit of a body',
    file: 'src/http/body.ts',
    edits: [['textLimit: MAX_BODY_BYTES', 'textLimit: MAX_BODY_BYTES * 100']],
    tests: input,
  },
  {
    name: 'json-depth',
    about: 'the depth limit of JSON',
    file: 'src/http/body.ts',
    edits: [['if (isDeeperThan(MAX_JSON_DEPTH, value))', 'if (isDeeperThan(MAX_JSON_DEPTH * 1e6, value))']],
    tests: input,
  },
  {
    name: 'if-match',
    about: "the If-Match check of an order's version",
    file: 'src/orders/change-order.ts',
    edits: [["  precondition?.('order', etagOf(order.version))\n", '']],
    tests: ['test/http/if-match.test.ts'],
  },
  {
    name: 'cursor-signature',
    about: 'the signature check of a cursor',
    file: 'src/http/cursor.ts',
    edits: [['      timingSafeEqual(signature, this.#sign(list, payload)) &&\n', '']],
    tests: ['test/http/lists.test.ts'],
  },
  {
    name: 'cursor-list',
    about: 'the list name in the signature of a cursor',
    file: 'src/http/cursor.ts',
    edits: [['      .update(`${Buffer.byteLength(list)}:${list}`)\n', '']],
    tests: ['test/http/lists.test.ts'],
  },
  {
    name: 'idempotency-record',
    about: 'the lookup of a stored reply by idempotency key',
    file: 'src/http/idempotency.ts',
    edits: [['    if (stored) return stored\n', '']],
    tests: ['test/http/idempotency.test.ts'],
  },
  {
    name: 'idempotency-fingerprint',
    about: 'the comparison of a request with the one stored under its key',
    file: 'src/http/idempotency.ts',
    edits: [['if (stored.fingerprint !== fingerprint)', "if (stored.fingerprint === '')"]],
    tests: ['test/http/idempotency.test.ts'],
  },
  {
    name: 'tracking-token',
    about: "the comparison of a tracking token with the order's",
    file: 'src/orders/tracking-links.ts',
    edits: [[" && timingSafeEqual(Buffer.from(token, 'base64url'), this.#sign(orderId))", '']],
    tests: tracking,
  },
  {
    name: 'tracking-query',
    about: 'the refusal of a query in requests of tracking pages',
    file: 'src/streams/tracking-pages.ts',
    edits: [["if (!params || ctx.querystring !== '')", 'if (!params)']],
    tests: tracking,
  },
  {
    name: 'tracking-expiry',
    about: 'the end of a tracking link',
    file: 'src/streams/tracked-order.ts',
    edits: [['  if (row.is_expired) throw new TrackingLinkExpired()\n', '']],
    tests: tracking,
  },
  {
    name: 'tracking-reason',
    about: 'the restriction of reasons to OUT_OF_STOCK',
    file: 'src/streams/tracked-order.ts',
    edits: [['return reason === OUT_OF_STOCK ? reason : null', 'return reason as typeof OUT_OF_STOCK']],
    tests: tracking,
  },
  {
    name: 'tracking-guesses',
    about: 'the limit of wrong tracking tokens',
    file: 'src/streams/tracking-pages.ts',
    edits: [['wrongTokensPerMinute === 0', 'wrongTokensPerMinute >= 0']],
    tests: tracking,
  },
  {
    name: 'tracking-streams',
    about: 'the limit of streams of tracking pages apart',
    file: 'src/processes/api.ts',
    edits: [['streams: customerStreams,', 'streams,']],
    tests: tracking,
  },
  {
    name: 'cors-origins',
    about: 'the allowed CORS origins',
    file: 'src/http/server/cors.ts',
    edits: [["return allowed.has(origin) ? origin : ''", 'return origin || [...allowed][0]']],
    tests: ['test/http/cors.test.ts'],
  },
  {
    name: 'operator-scope',
    about: "the scope of operators' changes",
    file: 'src/ops/api/ops-change.ts',
    edits: [["    scope: 'ops:write',\n", "    scope: 'ops',\n"]],
    tests: operations,
  },
  {
    name: 'operator-restriction',
    about: "the refusal of operators' changes to restricted callers",
    file: 'src/ops/api/ops-change.ts',
    edits: [['      requireUnrestricted(caller, WHAT)\n', '']],
    tests: operations,
  },
  {
    name: 'operator-group',
    about: 'the rights of the group comanda_operations',
    file: 'src/ops/roles/grant-roles.ts',
    edits: [["    'insert on ops_audit',\n", "    'all on all tables in schema public',\n"]],
    tests: privileges,
  },
  {
    name: 'operator-of-the-api',
    about: 'the lack of these rights in the login of the API',
    file: 'src/ops/roles/grant-roles.ts',
    edits: [
      [
        "    'select on webhook_attempts, dead_letters',\n",
        "    'select on webhook_attempts',\n    'all on ops_audit, paused_queues, dead_letters',\n",
      ],
    ],
    tests: privileges,
  },
  {
    name: 'operator-from-elsewhere',
    about: "the refusal of operators' changes to other machines without authentication",
    file: 'src/http/auth/is-local-client.ts',
    edits: [['    isLoopback(peer) &&\n', '']],
    tests: operations,
  },
  {
    name: 'operator-behind-a-proxy',
    about: "the refusal of operators' changes through a proxy without authentication",
    file: 'src/http/auth/is-local-client.ts',
    edits: [
      ['    PROXY_HEADERS.every(name => req.headers[name] === undefined)', '    PROXY_HEADERS.length > 0'],
    ],
    tests: operations,
  },
]
