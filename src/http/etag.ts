/** Entity tags made of version numbers (RFC 9110, section 8.8.3). */

/** `3` gives `"3"`: a strong tag. */
export function etagOf(version: number): string {
  return `"${version}"`
}

/**
 * The versions that an `If-Match` header accepts (RFC 9110, section 13.1.1).
 * @returns undefined when any will do: there is no header, or it is `*`. What is no tag of ours, or a weak one, matches nothing.
 */
export function acceptedVersions(ifMatch: string | undefined): number[] | undefined {
  if (ifMatch === undefined || ifMatch.trim() === '*') return undefined
  return ifMatch.split(',').flatMap(tag => {
    const [, version] = /^"([1-9]\d{0,8})"$/.exec(tag.trim()) ?? []
    return version === undefined ? [] : [Number(version)]
  })
}
