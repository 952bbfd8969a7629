import type { Context } from 'koa'
import { isLoopback } from '../../platform/is-loopback.ts'

/** Headers that proxies add. */
const PROXY_HEADERS = [
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
  'via',
]
const IPV4_IN_IPV6 = /^::ffff:/i

/**
 * Returns whether a client connects from this machine. A proxy on this machine does so for clients
 * of other machines: it is recognised by the configuration, by the headers that it adds, or by the
 * host name that its clients use. One that hides all of these is not.
 */
export function isLocalClient({ app, req }: Context): boolean {
  const peer = (req.socket.remoteAddress ?? '').replace(IPV4_IN_IPV6, '')
  return (
    !app.proxy &&
    isLoopback(peer) &&
    isLoopback(hostOf(req.headers.host)) &&
    PROXY_HEADERS.every(name => req.headers[name] === undefined)
  )
}

/** Returns the name of a `Host` header, without port and brackets. */
function hostOf(header = ''): string {
  return header.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
}
