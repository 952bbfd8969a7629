import { isIPv6 } from 'node:net'

const IPV4_IN_IPV6 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/**
 * Returns the network that is counted as one client: an IPv4 address, or the /64 of an IPv6 address
 * (RFC 6177). A string that is not an address, which a proxy may send, is returned truncated.
 */
export function clientNetwork(address: string): string {
  const [, mapped] = IPV4_IN_IPV6.exec(address) ?? []
  if (mapped !== undefined) return mapped
  if (!isIPv6(address)) return address.slice(0, MAX_NAME_LENGTH)
  const [head = '', tail] = address.replace(/%.*$/, '').split('::')
  const groups = head === '' ? [] : head.split(':')
  // `::` stands for groups of zeros and can end within the first four groups.
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - groups.length - lengthOf(after)
  const whole = [...groups, ...Array.from({ length: zeros }, () => '0'), ...after]
  return `${whole
    .slice(0, 4)
    .map(group => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}

const MAX_NAME_LENGTH = 64

/** Counts groups. The last one may be an IPv4 address, which counts as two. */
function lengthOf(groups: readonly string[]): number {
  return groups.length + (groups.at(-1)?.includes('.') ? 1 : 0)
}
