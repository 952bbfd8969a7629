import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { Agent, buildConnector } from 'undici'
import { isPublicAddress } from '../public-address.ts'

/** A connection was refused before it was made: its address is not of the public Internet. */
export class AddressRefused extends Error {
  override name = 'AddressRefused'
  readonly code = 'ADDRESS_REFUSED'

  constructor() {
    super('the host leads to an address that is not public')
  }
}

/** Resolves a name as `dns.lookup` does with `all`. */
type Resolve = (
  hostname: string,
  options: LookupOptions & { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

export interface AgentOptions {
  /** development: connects to whatever is asked for */
  allowPrivate: boolean
  /** open at once to one origin */
  connections: number
  resolve?: Resolve
}

const CONNECT_TIMEOUT_MS = 5_000
const KEEP_ALIVE_MS = 30_000
/** Longest answer line and headers, in bytes. */
const MAX_HEADER_BYTES = 16_384

/**
 * What webhooks are sent with: connections are kept, and made to public addresses only. What is looked at is what is connected to:
 * the addresses are those that the connection is handed, so that a name that leads elsewhere the next time gains nothing.
 * One address that is not public refuses the name. Redirects are not followed, proxies of the environment not used.
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

/** An address in the URL itself is never looked up. */
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
