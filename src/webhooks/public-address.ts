import ipaddr from 'ipaddr.js'

/** What of IPv6 is routed in the Internet at all (RFC 4291, section 2.4; IANA has given out nothing else). */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3')

/**
 * Whether an address belongs to the public Internet. What is left is refused whole: loopback, private, link-local (with
 * the metadata services of clouds), shared (RFC 6598), multicast, unspecified, reserved, and every form of IPv6 that
 * carries an IPv4 address: mapped, compatible, NAT64, 6to4, Teredo.
 * @param address IPv4 in four decimals, or IPv6, as a resolver gives them; anything else is not public
 */
export function isPublicAddress(address: string): boolean {
  if (ipaddr.IPv4.isValidFourPartDecimal(address)) return ipaddr.IPv4.parse(address).range() === 'unicast'
  if (!ipaddr.IPv6.isValid(address)) return false
  const parsed = ipaddr.IPv6.parse(address)
  return parsed.match(GLOBAL_UNICAST) && parsed.range() === 'unicast'
}
