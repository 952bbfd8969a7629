import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Lockfile, lockedPackages } from './lockfile.ts'

/** Licences, by SPDX id, under which a package may be part of what runs in production: none asks for our source. */
const allowedLicences: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC-BY-3.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'Unlicense',
])

/**
 * Whether an SPDX expression leaves us a licence of the list: one of `OR`, all of `AND`. One with more to it than one
 * level of brackets is for people to read.
 */
export function isAllowed(expression: string): boolean {
  const alternatives = expression.replace(/^\((.*)\)$/, '$1').split(' OR ')
  return alternatives.some(all => all.split(' AND ').every(licence => allowedLicences.has(licence)))
}

/** The packages of production whose licence is not on the list, or not said. @param root has `node_modules` */
export function licenceTroubles(lockfile: Lockfile, root: string): string[] {
  return lockedPackages(lockfile)
    .filter(([, { dev }]) => !dev)
    .flatMap(([folder, { license }]) => {
      const licence = installedLicence(join(root, folder)) ?? license
      if (licence === undefined) return [`${folder} does not say its licence`]
      return isAllowed(licence) ? [] : [`${folder} is under ${licence}, which is not on the list`]
    })
}

/** What the package itself says; undefined where it is for other platforms, and so not here. */
function installedLicence(folder: string): string | undefined {
  const file = join(folder, 'package.json')
  if (!existsSync(file)) return undefined
  const { license } = JSON.parse(readFileSync(file, 'utf8')) as { license?: string | { type: string } }
  return typeof license === 'object' ? license.type : license
}
