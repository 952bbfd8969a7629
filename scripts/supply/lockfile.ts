/** What npm writes down of a package in `package-lock.json`. */
export interface LockedPackage {
  version?: string
  /** where it came from; `.npmrc` leaves out what the registry answers for */
  resolved?: string
  integrity?: string
  license?: string
  /** a folder of this machine */
  link?: boolean
  /** for development only: never in production */
  dev?: boolean
}

export interface Lockfile {
  lockfileVersion: number
  /** by folder, `node_modules/koa`; the program itself is `""` */
  packages: Record<string, LockedPackage>
}

/** Every package but the program itself, with its folder. */
export function lockedPackages({ packages }: Lockfile): [folder: string, locked: LockedPackage][] {
  return Object.entries(packages).filter(([folder]) => folder !== '')
}

const STRONG_INTEGRITY = /^sha512-[\w+/]{86}==$/

/** What is wrong with where packages come from: each has to be of a registry, in one version, known by its hash. */
export function lockfileTroubles(lockfile: Lockfile): string[] {
  return lockedPackages(lockfile).flatMap(([folder, locked]) => {
    const { version, resolved, integrity = '', link = false } = locked
    const troubles = [
      link && 'is a folder of some machine',
      !link && version === undefined && 'has no version',
      !link && !STRONG_INTEGRITY.test(integrity) && 'has no SHA-512 to know it by',
      resolved !== undefined && !resolved.startsWith('https://') && `comes from ${resolved}`,
    ]
    return troubles.filter(trouble => trouble !== false).map(trouble => `${folder} ${trouble}`)
  })
}
