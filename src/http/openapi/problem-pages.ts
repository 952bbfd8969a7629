import Router from '@koa/router'
import { type ProblemCode, problems } from '../problem.ts'

interface Explanation {
  means: string
  toDo: string
}

/** What each kind of problem means, and what to do: what its `type` leads to. A code forgotten here does not compile. */
const explanations: Record<ProblemCode, Explanation> = {
  'malformed-json': {
    means: 'The body is missing, broke off, or is not one JSON value in UTF-8.',
    toDo: 'Check quotes, commas and brackets, and that a body is sent at all. Sending the same again does not help.',
  },
  'json-too-deep': {
    means: 'The body is JSON, but its lists and objects are nested deeper than `limit_depth` levels.',
    toDo: 'Send what the call takes; /docs has it. No call takes more than a few levels.',
  },
  'validation-failed': {
    means: 'The body is JSON, but has values that this call cannot accept. Nothing was changed.',
    toDo: '`errors` names each of them by a JSON Pointer into the body; mend them and send the request again.',
  },
  'query-invalid': {
    means: 'The query has parameters that are unknown, come twice, or have values that cannot be accepted.',
    toDo: '`errors` names each parameter; /docs has what the call takes.',
  },
  'cursor-invalid': {
    means: 'The cursor was not given out by this list, or for other filters.',
    toDo: 'Follow the `Link` headers as they are, or start again without a cursor.',
  },
  'unsupported-media-type': {
    means: 'The body is of a type, a character set or an encoding that is not taken.',
    toDo: 'Send application/json in UTF-8, without a Content-Encoding.',
  },
  'payload-too-large': {
    means: 'The body has more bytes than are taken; `limit_bytes` says how many are.',
    toDo: 'Split what you send into several requests.',
  },
  unauthenticated: {
    means: 'The request has no token, or one that is wrong, expired, revoked, or not for this API.',
    toDo: 'Send a valid one as `Authorization: Bearer …`. Tokens in the path or the query are not looked at.',
  },
  forbidden: {
    means:
      'You are known, but may not do this: `required_scope` is missing, or you are bound to restaurants.',
    toDo: 'Ask whoever gave you the token for one with that scope.',
  },
  'auth-unavailable': {
    means: 'The token may be good, but the keys to check it with cannot be fetched just now.',
    toDo: 'Wait for as long as `Retry-After` says and try again.',
  },
  'rate-limited': {
    means: 'You have sent more requests in a minute than you may. This one was not looked at.',
    toDo: 'Wait for as long as `Retry-After` says. `RateLimit` tells with each answer how many are left.',
  },
  'too-many-failed-logins': {
    means:
      'So many wrong tokens have come from your address within a minute that no new one is looked at for now; this one may be right.',
    toDo: 'Wait for as long as `Retry-After` says, and find the client that sends a wrong token: one that is expired or revoked does not get better by sending it again.',
  },
  'path-too-long': {
    means: 'The path and its query have more characters than are taken.',
    toDo: 'Send less in the query; follow `Link` headers as they are.',
  },
  'route-not-found': {
    means: 'There is nothing at this path.',
    toDo: 'Check the path; /docs has those that there are.',
  },
  'method-not-allowed': {
    means: 'The path exists, but does not take this method.',
    toDo: 'Use one of those in the `Allow` header.',
  },
  'restaurant-not-found': {
    means: 'No restaurant has this id, as far as you may know.',
    toDo: 'Check the id. GET /api/v1/restaurants lists those that you may see.',
  },
  'menu-item-not-found': {
    means: 'No menu item has this id, as far as you may know.',
    toDo: 'Check the id. GET /api/v1/restaurants/{restaurant_id}/menu lists a menu.',
  },
  'order-not-found': {
    means: 'No order has this id, as far as you may know.',
    toDo: 'Check the id: it is in the answer to the request that placed the order, and in its `Location`.',
  },
  'webhook-not-found': {
    means: 'No webhook has this id, as far as you may know; one that was deleted has none.',
    toDo: 'Check the id against `GET /api/v1/webhooks`.',
  },
  'delivery-not-found': {
    means:
      'This webhook has no delivery of this id, as far as you may know. Deliveries are kept for 30 days.',
    toDo: "Check both ids against the webhook's `/deliveries`.",
  },
  'restaurant-inactive': {
    means: 'The restaurant has been set inactive and takes no orders for now.',
    toDo: 'Try again when it is active; PATCH /api/v1/restaurants/{restaurant_id} makes it so.',
  },
  'idempotency-key-missing': {
    means: 'This API is set up to require an Idempotency-Key on every POST and PATCH.',
    toDo: 'Make a key for each request, a UUID for example, and send the same one when you send the request again.',
  },
  'idempotency-key-invalid': {
    means:
      'The Idempotency-Key is empty, too long, comes twice, or has blanks or other than ASCII characters.',
    toDo: 'Use 1 to 255 visible ASCII characters, a UUID for example.',
  },
  'idempotency-key-in-flight': {
    means: 'A request with this Idempotency-Key is being carried out at this moment.',
    toDo: 'Wait for as long as `Retry-After` says, then send the same request again: it gets the answer of the first.',
  },
  'idempotency-key-reused': {
    means: 'This Idempotency-Key was sent before, with another method, path or body. Nothing was changed.',
    toDo: 'A new request needs a new key. If you meant to repeat the earlier one, send exactly that.',
  },
  'inventory-pending': {
    means:
      'The order is PLACED. It becomes PREPARING by itself when its stock has been deducted; nobody can hurry it.',
    toDo: 'Look at the order again in a moment. It becomes CANCELLED instead when stock is short.',
  },
  'illegal-transition': {
    means: 'From the status it has, the order cannot go to the one that was asked for.',
    toDo: '`allowed_statuses` says where it can go. DELIVERED and CANCELLED are final.',
  },
  'stale-version': {
    means:
      'What you wanted to change has changed since you looked: its version is not one that `If-Match` names.',
    toDo: 'Get it again, decide anew, and send the request with its new `ETag`.',
  },
  'resume-point-invalid': {
    means: 'The `Last-Event-ID` was not given out by this stream.',
    toDo: 'Send it as it came with the last event, to the same stream, or connect without one: the stream begins with a snapshot.',
  },
  'too-many-streams': {
    means: 'You have as many streams open as you may, with the process that answered.',
    toDo: 'Close some: one stream of a restaurant has what those of its orders have. `limit_count` says how many there may be.',
  },
  overloaded: {
    means:
      'More requests wait than can be served in good time. This one was turned away at once; nothing was changed.',
    toDo: 'Wait for as long as `Retry-After` says, and longer each time that it happens again.',
  },
  'not-ready': {
    means: 'This process cannot serve requests: it is starting, stopping, or lacks what `checks` names.',
    toDo: 'Ask another process, or this one a little later.',
  },
  'database-unavailable': {
    means: 'The database did not answer in time. Whether the request was carried out may be unknown.',
    toDo: 'Wait for as long as `Retry-After` says and send it again; with an Idempotency-Key that is safe always.',
  },
  'host-not-allowed': {
    means:
      'The name in the `Host` header is none that this API goes by. It is looked at where everybody on this machine may call, so that pages in a browser cannot, by giving their own name the address of this machine.',
    toDo: 'Call it as localhost, or by the name in PUBLIC_URL. Whoever runs it can add names with ALLOWED_HOSTS.',
  },
  'malformed-request': {
    means: 'What came is no request of HTTP/1.1, or has no Host header.',
    toDo: 'Check the client, and what is between it and this server.',
  },
  'request-timeout': {
    means: 'The request did not come whole in time, and the connection was closed.',
    toDo: 'Send it faster, or smaller.',
  },
  'headers-too-large': {
    means: 'The headers or the path have more bytes than are taken.',
    toDo: 'Send fewer or shorter headers; cookies mean nothing to this API.',
  },
  internal: {
    means: 'A fault of this server, not of the request.',
    toDo: 'Tell its operators the `request_id`: the log has the cause under it.',
  },
}

/** `/problems`: every kind of problem; `/problems/{type}`: what it means and what to do. */
export function problemPages(): Router {
  const router = new Router()
  const codes = Object.keys(explanations) as ProblemCode[]
  const list = codes.map(
    code => `<dt>${problems[code].status} <a href="/problems/${code}">${code}</a></dt>
<dd>${problems[code].title}</dd>`,
  )
  servePage(router, '/problems', 'Problems that this API answers with', `<dl>\n${list.join('\n')}\n</dl>`)
  for (const code of codes) {
    const { means, toDo } = explanations[code]
    const { status, title } = problems[code]
    const body = `<p>HTTP status ${status}, <code>${code}</code></p>
<h2>What it means</h2>
<p>${markUp(means)}</p>
<h2>What to do</h2>
<p>${markUp(toDo)}</p>
<p><a href="/problems">All problems</a></p>`
    servePage(router, `/problems/${code}`, title, body)
  }
  return router
}

function servePage(router: Router, path: string, title: string, body: string): void {
  const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${title} – Comanda</title>
<h1>${title}</h1>
${body}
</html>
`
  router.get(path, ctx => {
    ctx.type = 'html'
    ctx.body = html
  })
}

function markUp(text: string): string {
  return text.replaceAll(/`([^`]+)`/g, '<code>$1</code>')
}
