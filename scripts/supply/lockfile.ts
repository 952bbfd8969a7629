/** A package in `package-lock.json`. */
export interface LockedPackage {
  version?: string
  integrity?: string
  /** an SPDX expression */
  license?: string
  /** the package is a link to a folder on this machine */
  link?: boolean
  /** the package is only for development */
  dev?: boolean
}

export interface Lockfile {
  /** by folder, e.g. `node_modules/koa`; the project itself is `""` */
  packages: Record<string, LockedPackage>
}

/** Returns the packages, without the project itself, by their folder. */
export function lockedPackages({ packages }: Lockfile): [folder: string, locked: LockedPackage][] {
  return Object.entries(packages).filter(([folder]) => folder !== '')
}

/**
 * Returns one line per package that has no version or no hash, or is a link. lockfile-lint checks
 * the protocol and the algorithm of the hash, but accepts a package without a hash, and any link.
 */
export function lockfileProblems(lockfile: Lockfile): string[] {
  return lockedPackages(lockfile).flatMap(([folder, { version, integrity, link }]) => {
    if (link) return [`${folder} is a link to a folder`]
    const problems = [!version && 'has no version', !integrity && 'has no hash']
    return problems.filter(problem => problem !== false).map(problem => `${folder} ${problem}`)
  })
}
