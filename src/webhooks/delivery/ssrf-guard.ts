import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { Agent, buildConnector } from 'undici'
import { isPublicAddress } from '../public-address.ts'

/** The address of an endpoint is not public. No connection was opened. */
export class AddressRefused extends Error {
  override name = 'AddressRefused'
  readonly code = 'ADDRESS_REFUSED'

  constructor() {
    super('the host leads to an address that is not public')
  }
}

/** Resolves a name like `dns.lookup` with `all`. */
type Resolve = (
  hostname: string,
  options: LookupOptions & { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

export interface AgentOptions {
  /** development: allows every address */
  allowPrivate: boolean
  /** maximum open connections per origin */
  connections: number
  resolve?: Resolve
}

const CONNECT_TIMEOUT_MS = 5_000
const KEEP_ALIVE_MS = 30_000
/** Maximum size of the status line and headers of a response, in bytes. */
const MAX_HEADER_BYTES = 16_384

/**
 * Returns an agent that connects to public addresses only. The check uses the very addresses that
 * the connection gets, so a DNS name that changes its address between check and connection gains
 * nothing. A name with one address that is not public is refused. Redirects are not followed, and
 * proxies from the environment are not used.
 */
export function ssrfGuardedAgent(options: AgentOptions): Agent {
  const { allowPrivate, connections, resolve = systemLookup } = options
  const connect = buildConnector({
    timeout: CONNECT_TIMEOUT_MS,
    allowH2: false,
    ...(allowPrivate ? {} : { lookup: guardedLookup(resolve) }),
  })
  return new Agent({
    connections,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
    connect: allowPrivate ? connect : refuseLiterals(connect),
  })
}

/** Refuses addresses in the URL itself, which are never looked up. */
function refuseLiterals(connect: buildConnector.connector): buildConnector.connector {
  return (options, callback) => {
    const host = options.hostname.replace(/^\[(.*)\]$/, '$1')
    if (isIP(host) === 0 || isPublicAddress(host)) connect(options, callback)
    else queueMicrotask(() => callback(new AddressRefused(), null))
  }
}

function guardedLookup(resolve: Resolve): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      const [first] = addresses ?? []
      if (error) callback(error, [])
      else if (!first || !addresses.every(({ address }) => isPublicAddress(address)))
        callback(new AddressRefused(), [])
      else if (options.all) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }
}
