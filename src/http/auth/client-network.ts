import { isIPv6 } from 'node:net'

const IPV4_IN_IPV6 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/**
 * Whose address it is: an IPv4 address is one customer's, and so is a whole /64 of IPv6 (RFC 6177). What is no address
 * (a proxy may send anything) stands for itself.
 */
export function clientNetwork(address: string): string {
  const [, mapped] = IPV4_IN_IPV6.exec(address) ?? []
  if (mapped !== undefined) return mapped
  if (!isIPv6(address)) return address.slice(0, MAX_NAME_LENGTH)
  const [head = '', tail] = address.replace(/%.*$/, '').split('::')
  const groups = head === '' ? [] : head.split(':')
  // What `::` leaves out is zeros; it can end within the first four groups.
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - groups.length - lengthOf(after)
  const whole = [...groups, ...Array.from({ length: zeros }, () => '0'), ...after]
  return `${whole
    .slice(0, 4)
    .map(group => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}

const MAX_NAME_LENGTH = 64

/** The last group may be an IPv4 address, which takes the place of two. */
function lengthOf(groups: readonly string[]): number {
  return groups.length + (groups.at(-1)?.includes('.') ? 1 : 0)
}
