import { z } from 'zod'
import { slotsOf } from './slots.ts'

/**
 * Formats of environment variables. The metadata `values` names the format in
 * docs/configuration.md.
 */

export const count = (min: number, max: number) => z.coerce.number().int().min(min).max(max)

export const flag = () => z.stringbool({ error: 'must be true or false' }).default(false)

export const text = () => z.string().min(1)

export const httpUrl = () => z.url({ protocol: /^https?$/, error: 'must be an http(s) URL' })

/** An http(s) URL that paths are appended to; without a slash at its end in the result. */
export const baseUrl = () =>
  httpUrl()
    .refine(
      url => /^[^?#@]*$/.test(url),
      'must be an http(s) URL without user, query or fragment, e.g. https://shop.example/comanda',
    )
    .transform(url => url.replace(/\/+$/, ''))

/** The URL of one server: unlike libpq, node-postgres does not try several hosts. */
export const postgresUrl = () =>
  z
    .string()
    .refine(namesOneHost, {
      error:
        'must name one host; put one address that leads to the primary in front of several servers, e.g. HAProxy',
      abort: true,
    })
    .pipe(z.url({ protocol: /^postgres(ql)?$/, error: 'must be a postgres:// or postgresql:// URL' }))

/** After the last `@`, because a password may hold a comma. */
const SEVERAL_HOSTS = /^\w+:\/\/(?:[^/?#]*@)?[^/?#@]*,[^/?#@]*(?:[/?#]|$)/

function namesOneHost(url: string): boolean {
  const parameters = new URLSearchParams(url.split('?')[1])
  const hosts = [...parameters.getAll('host'), ...parameters.getAll('hostaddr')]
  return !SEVERAL_HOSTS.test(url) && !hosts.join().includes(',')
}

/** The path of a file that holds the value of the variable `name`. */
export const fileOf = (name: string) =>
  text()
    .optional()
    .meta({
      values: 'path of a file',
      description: `File that holds the value of \`${name}\`. Set one of the two.`,
    })

const commaSeparated = (isValid: (item: string) => boolean, error: string) =>
  z
    .string()
    .default('')
    .transform(list => list.split(',').map(item => item.trim()))
    .transform(list => list.filter(item => item !== ''))
    .refine(list => list.every(isValid), { error })

/** Origins as browsers send them (RFC 6454, section 6.2), separated by commas. */
export const origins = () =>
  commaSeparated(
    isOrigin,
    'must be origins like https://till.example, separated by commas: no path, no trailing slash, no `*`',
  )

function isOrigin(item: string): boolean {
  return /^https?:[^*]+$/.test(item) && URL.canParse(item) && new URL(item).origin === item
}

/** Host names or addresses without a port, separated by commas; lowercase in the result. */
export const hosts = () =>
  commaSeparated(
    isHost,
    'must be host names like till.example, separated by commas: no scheme, no port, no `*`',
  ).transform(list => list.map(host => host.toLowerCase()))

function isHost(item: string): boolean {
  return !item.includes('*') && URL.parse(`http://${item}`)?.hostname === item.toLowerCase()
}

/** Slots and ranges of slots, separated by commas; the set of all these slots in the result. */
export const slots = () =>
  commaSeparated(
    range => slotsOf(range).length > 0,
    'must be slots of three hexadecimal digits and ascending ranges of them, separated by commas, e.g. 000-7ff,c01',
  ).transform(ranges => (ranges.length === 0 ? undefined : new Set(ranges.flatMap(slotsOf))))

/** Seconds between attempts, separated by commas. */
export const retrySchedule = () =>
  z
    .string()
    .regex(/^[1-9]\d{0,5}(,[1-9]\d{0,5}){0,8}$/, 'must be 1 to 9 numbers of seconds, separated by commas')

/**
 * Headers in the OTLP exporter's format. The exporter ignores invalid pairs, so they are rejected
 * here.
 */
export const otlpHeaders = () =>
  z
    .string()
    .refine(
      pairs => pairs.split(',').every(pair => /^\s*[\w!#$%&'*+.^`|~-]+\s*=\s*[^\s;]/.test(pair)),
      'must be like authorization=Bearer%20TOKEN; separate several headers by commas',
    )
    .optional()
