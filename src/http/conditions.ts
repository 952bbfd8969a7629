import type { IncomingHttpHeaders } from 'node:http'
import type { Context } from 'koa'
import { ExpectedError, PreconditionFailed, StaleVersion } from '../platform/errors.ts'
import type { Precondition } from '../platform/precondition.ts'

/** Conditional requests by entity tag (RFC 9110, section 13). Dates are not compared. */

/** `*`, or the opaque parts of the listed tags. */
type EntityTags = '*' | readonly string[]

export interface Conditions {
  ifMatch?: EntityTags
  ifNoneMatch?: EntityTags
}

/** One member of a list, possibly empty, with its comma. */
const MEMBER = /[ \t]*(?:(?:W\/)?"([\x21\x23-\x7e\x80-\xff]*)")?[ \t]*(?:,|$)/y

/**
 * Some proxies mark the tag of a response that they compress with a suffix (Apache, Caddy); others
 * weaken it (nginx). Our tags contain neither.
 */
const CODING_SUFFIX = /-(?:gzip|br|zstd)$/

/** Version of a tag that also has the time of the last change. */
const VERSION = /^(\d+)\.\d+$/

/** @throws precondition-invalid */
export function parseConditions(headers: IncomingHttpHeaders): Conditions {
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = headers
  return {
    ...(ifMatch === undefined ? {} : { ifMatch: parseTags('If-Match', ifMatch) }),
    ...(ifNoneMatch === undefined ? {} : { ifNoneMatch: parseTags('If-None-Match', ifNoneMatch) }),
  }
}

/**
 * Returns what a change has to require of the current entity tag, or undefined without conditions.
 * The precondition throws StaleVersion when `If-Match` names another version, and
 * PreconditionFailed when `If-None-Match` names this tag. Weak tags match too: a proxy has weakened
 * them, because we issue none.
 */
export function preconditionOf(conditions: Conditions): Precondition | undefined {
  if (conditions.ifMatch === undefined && conditions.ifNoneMatch === undefined) return undefined
  return (resource, etag) => {
    requireMatch(conditions, resource, etag)
    if (isExcluded(conditions, etag)) throw new PreconditionFailed(resource, etag)
  }
}

/**
 * Compares the entity tag of the response to a GET or HEAD, and makes it a 304 when the client has
 * the representation already (weak comparison).
 * @throws StaleVersion when `If-Match` names another version
 */
export function answerConditionally(ctx: Context, conditions: Conditions, resource: string): void {
  const etag = ctx.response.get('ETag')
  requireMatch(conditions, resource, etag)
  // Caches have to ask before they use a stored response.
  if (!ctx.response.get('Cache-Control')) ctx.set('Cache-Control', 'no-cache')
  if (isExcluded(conditions, etag)) ctx.status = 304
}

/** Compares the versions, not the time of the last change. */
function requireMatch({ ifMatch }: Conditions, resource: string, etag: string): void {
  if (ifMatch === undefined || ifMatch === '*') return
  const current = opaque(etag)
  const version = versionOf(current)
  const isCurrent = (tag: string) =>
    tag === current || (version !== undefined && (versionOf(tag) ?? tag) === version)
  if (!ifMatch.some(isCurrent)) throw new StaleVersion(resource, etag)
}

function isExcluded({ ifNoneMatch }: Conditions, etag: string): boolean {
  return ifNoneMatch === '*' || (ifNoneMatch?.includes(opaque(etag)) ?? false)
}

const opaque = (etag: string) => etag.slice(1, -1)
const versionOf = (tag: string) => VERSION.exec(tag)?.[1]

function parseTags(header: string, value: string): EntityTags {
  if (value.trim() === '*') return '*'
  const tags: string[] = []
  for (MEMBER.lastIndex = 0; MEMBER.lastIndex < value.length; ) {
    const member = MEMBER.exec(value)
    if (!member) break
    if (member[1] !== undefined) tags.push(member[1].replace(CODING_SUFFIX, ''))
  }
  if (tags.length > 0 && MEMBER.lastIndex >= value.length) return tags
  throw new ExpectedError(
    'precondition-invalid',
    `${header} must be * or a list of entity tags in quotes, like "3" or "3", "4"`,
  )
}
