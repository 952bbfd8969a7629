import ipaddr from 'ipaddr.js'

/** The only IPv6 block that IANA allocates for the public Internet (RFC 4291, section 2.4). */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3')

/**
 * Returns whether an address belongs to the public Internet. Not public: loopback, private,
 * link-local (including cloud metadata services), shared (RFC 6598), multicast, unspecified,
 * reserved, and every IPv6 form that embeds an IPv4 address (mapped, compatible, NAT64, 6to4,
 * Teredo).
 * @param address dotted decimal IPv4, or IPv6; anything else is not public
 */
export function isPublicAddress(address: string): boolean {
  if (ipaddr.IPv4.isValidFourPartDecimal(address)) return ipaddr.IPv4.parse(address).range() === 'unicast'
  if (!ipaddr.IPv6.isValid(address)) return false
  const parsed = ipaddr.IPv6.parse(address)
  return parsed.match(GLOBAL_UNICAST) && parsed.range() === 'unicast'
}
