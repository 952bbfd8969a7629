/** Entity tags derived from version numbers (RFC 9110, section 8.8.3). */

/** Returns a strong tag: `"3"` for version 3. */
export function etagOf(version: number): string {
  return `"${version}"`
}

/**
 * Returns the versions that an `If-Match` header accepts (RFC 9110, section 13.1.1), or undefined
 * when it accepts any: without a header, or with `*`. Weak and unknown tags match nothing.
 */
export function acceptedVersions(ifMatch: string | undefined): number[] | undefined {
  if (ifMatch === undefined || ifMatch.trim() === '*') return undefined
  return ifMatch.split(',').flatMap(tag => {
    const [, version] = /^"([1-9]\d{0,8})"$/.exec(tag.trim()) ?? []
    return version === undefined ? [] : [Number(version)]
  })
}
