import { isIP } from 'node:net'
import { isPublicAddress } from './public-address.ts'

export const MAX_URL_LENGTH = 2_000

/** Names that lead nowhere public, or differ from network to network (RFC 6761, RFC 6762, RFC 8375, and ICANN's .internal). */
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
 * Why no webhook may lead to this URL, as far as the URL alone tells; where its name leads is looked at each time that a
 * connection is made ({@link guardedConnect}).
 * @param allowPrivate development: private addresses and plain `http` are fine
 * @returns undefined when it may
 */
export function validateWebhookUrl(url: string, allowPrivate: boolean): string | undefined {
  if (url.length > MAX_URL_LENGTH) return `must not be longer than ${MAX_URL_LENGTH} characters`
  // Parsing decodes what is decimal, octal, hexadecimal or short of an IPv4 address (WHATWG URL, section 3.5).
  const parsed = URL.parse(url)
  if (!parsed || parsed.hostname === '') return 'must be an absolute URL like https://example.com/hooks'
  if (parsed.protocol !== 'https:' && !(allowPrivate && parsed.protocol === 'http:'))
    return 'must begin with https://'
  if (parsed.username !== '' || parsed.password !== '')
    return 'must not carry a name or password: deliveries are known by their signature'
  if (parsed.hash !== '') return 'must not have a fragment'
  return allowPrivate || leadsOutside(parsed.hostname) ? undefined : 'must lead to a public host'
}

function leadsOutside(hostname: string): boolean {
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  if (isIP(host) !== 0) return isPublicAddress(host)
  const name = host.toLowerCase().replace(/\.$/, '')
  return (
    name.includes('.') && !PRIVATE_SUFFIXES.some(suffix => name === suffix || name.endsWith(`.${suffix}`))
  )
}
