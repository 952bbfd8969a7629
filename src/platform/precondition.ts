/**
 * Condition of a request on the resource that it changes, from `If-Match` and `If-None-Match`. The
 * domain calls it with the lock held and the current entity tag.
 * @throws StaleVersion, PreconditionFailed
 */
export type Precondition = (resource: string, etag: string) => void

/**
 * Returns a strong entity tag (RFC 9110, section 8.8.3): `"3"` for version 3. A representation that
 * also changes without a new version adds the time of its last change: `"3.1795371000000000"`.
 * @param changedUs microseconds since 1970
 */
export function etagOf(version: number, changedUs?: number): string {
  return changedUs === undefined ? `"${version}"` : `"${version}.${changedUs}"`
}
