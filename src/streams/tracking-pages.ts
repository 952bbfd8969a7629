import Router from '@koa/router'
import type { Context } from 'koa'
import type { Database } from '../db/database.ts'
import { assertServed } from '../http/assert-served.ts'
import { countPerMinute, WINDOW_SECONDS } from '../http/auth/count-per-minute.ts'
import { limitFailedLogins } from '../http/auth/limit-failed-logins.ts'
import { expectedError } from '../http/problem.ts'
import type { EventStreams } from '../http/sse/event-streams.ts'
import { orderParams } from '../orders/order-contract.ts'
import type { TrackingLinks } from '../orders/tracking-links.ts'
import type { Caller } from '../platform/caller.ts'
import { ExpectedError, RateLimited } from '../platform/errors.ts'
import type { Logger } from '../platform/log.ts'
import type { EventTailer } from './event-tailer.ts'
import { readTrackedOrder } from './tracked-order.ts'
import { trackingStream } from './tracking-stream.ts'

export interface TrackingOptions {
  database: Database
  reader: EventTailer
  links: TrackingLinks
  /** the streams of customers, apart from those of callers */
  streams: EventStreams
  log: Logger
  /** wrong tokens per client address and minute in this process; 0: unlimited */
  wrongTokensPerMinute: number
  /** slots that this API serves; undefined means all */
  servedSlots: ReadonlySet<string> | undefined
}

/** Of each order in this process, so that one link cannot keep the database busy. */
const REQUESTS_PER_MINUTE = 120

/**
 * Serves an order to the customer who has its link, in every `AUTH_MODE`: `order` once, `stream`
 * live. The token of the link is in the header `Tracking-Token`. It is read from nowhere else,
 * because paths and queries end up in logs.
 */
export function trackingPages(options: TrackingOptions): Router {
  const { database, reader, links, streams, log, wrongTokensPerMinute, servedSlots } = options
  const countRequests = countPerMinute(REQUESTS_PER_MINUTE, 'tracking')
  const verify = async (link: string) => {
    const [orderId = '', token = ''] = link.split(' ')
    return links.isGenuine(orderId, token) ? customerOf(orderId) : undefined
  }
  const authenticate =
    wrongTokensPerMinute === 0
      ? verify
      : limitFailedLogins(verify, countPerMinute(wrongTokensPerMinute, 'wrong-tracking-token'), log)

  /** Verifies the token before anything is read. @returns the customer and the order's id */
  async function admit(ctx: Context): Promise<{ customer: Caller; order_id: string }> {
    ctx.set(PRIVATE)
    const { data: params } = orderParams.safeParse(ctx['params'])
    if (!params || ctx.querystring !== '') throw expectedError('tracking-link-invalid')
    const token = String(ctx.req.headers['tracking-token'] ?? '')
    const customer = await authenticate(`${params.order_id} ${token}`, ctx.ip)
    if (!customer) throw expectedError('tracking-link-invalid')
    const { isRefused, seconds } = await countRequests(params.order_id)
    if (isRefused) throw new RateLimited(REQUESTS_PER_MINUTE, WINDOW_SECONDS, seconds)
    assertServed(servedSlots, params)
    return { customer, order_id: params.order_id }
  }

  const router = new Router()
  router.get('/track/:order_id/order', async ctx => {
    const { order_id } = await admit(ctx)
    const { order } = await readTrackedOrder(database, order_id)
    ctx.body = order
  })
  router.get('/track/:order_id/stream', async ctx => {
    const { customer, order_id } = await admit(ctx)
    if (ctx.method === 'HEAD') throw new ExpectedError('method-not-allowed', 'A stream supports only GET')
    const prepare = () => trackingStream(database, reader, order_id)
    // The link of an open order does not expire, so there is nothing to verify again.
    await streams.open(ctx.res, customer, async () => customer, prepare)
    ctx.respond = false
  })
  return router
}

const PRIVATE = { 'Cache-Control': 'no-store', 'X-Robots-Tag': 'noindex, nofollow' }

function customerOf(orderId: string): Caller {
  return { id: `customer of ${orderId}`, name: null, scopes: new Set(), restaurants: undefined }
}
