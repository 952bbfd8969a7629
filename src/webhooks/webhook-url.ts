import { isIP } from 'node:net'
import { isPublicAddress } from './public-address.ts'

export const MAX_URL_LENGTH = 2_000
export const NOT_PUBLIC = 'must be on a public host'

/**
 * Suffixes of names that are not in public DNS (RFC 6761, RFC 6762, RFC 8375, and ICANN's
 * .internal).
 */
const PRIVATE_SUFFIXES = [
  'localhost',
  'local',
  'internal',
  'intranet',
  'lan',
  'home',
  'home.arpa',
  'corp',
  'test',
  'invalid',
  'onion',
]

/**
 * Validates the URL of a webhook without DNS. The addresses that its host resolves to are checked
 * at every connection (delivery/ssrf-guard.ts).
 * @param allowPrivate development: allows private addresses and plain `http`
 * @returns what is wrong; undefined when the URL is valid
 */
export function validateWebhookUrl(url: string, allowPrivate: boolean): string | undefined {
  if (url.length > MAX_URL_LENGTH) return `must not be longer than ${MAX_URL_LENGTH} characters`
  // Parsing normalizes decimal, octal, hexadecimal and shortened IPv4 addresses (WHATWG URL,
  // section 3.5).
  const parsed = URL.parse(url)
  if (!parsed || parsed.hostname === '') return 'must be an absolute URL like https://example.com/hooks'
  if (parsed.protocol !== 'https:' && !(allowPrivate && parsed.protocol === 'http:'))
    return 'must begin with https://'
  if (parsed.username !== '' || parsed.password !== '')
    return 'must not contain a user name or password: deliveries are authenticated by their signature'
  if (parsed.hash !== '') return 'must not have a fragment'
  return allowPrivate || isPublicHost(parsed.hostname) ? undefined : NOT_PUBLIC
}

function isPublicHost(hostname: string): boolean {
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  if (isIP(host) !== 0) return isPublicAddress(host)
  const name = host.toLowerCase().replace(/\.$/, '')
  return (
    name.includes('.') && !PRIVATE_SUFFIXES.some(suffix => name === suffix || name.endsWith(`.${suffix}`))
  )
}
