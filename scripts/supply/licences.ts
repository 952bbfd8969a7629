import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import satisfies from 'spdx-satisfies'
import { type Lockfile, lockedPackages } from './lockfile.ts'

/**
 * SPDX ids of the licences that are permitted in production. None requires publishing our source.
 */
const PERMITTED_LICENCES = [
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC-BY-3.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'Unlicense',
]

/** Returns whether an SPDX expression permits use under the licences above. */
export function isPermitted(expression: string): boolean {
  try {
    return satisfies(expression, PERMITTED_LICENCES)
  } catch {
    // Not an SPDX expression, e.g. `SEE LICENSE IN x`.
    return false
  }
}

/**
 * Returns one line per production package without a permitted licence, also for other platforms.
 * license-checker-rseidelsohn is not used: it compares by substring (`MIT AND GPL-3.0` passes),
 * ignores packages for other platforms, and would add 140 packages.
 * @param root folder that contains `node_modules`
 */
export function licenceProblems(lockfile: Lockfile, root: string): string[] {
  return lockedPackages(lockfile)
    .filter(([, { dev }]) => !dev)
    .flatMap(([folder, { license }]) => {
      const licence = installedLicence(join(root, folder)) ?? license
      if (licence === undefined) return [`${folder} declares no licence`]
      return isPermitted(licence) ? [] : [`${folder} has the licence ${licence}, which is not permitted`]
    })
}

/**
 * Returns what the installed package declares, or undefined if it is not installed on this
 * platform.
 */
function installedLicence(folder: string): string | undefined {
  const file = join(folder, 'package.json')
  if (!existsSync(file)) return undefined
  const { license } = JSON.parse(readFileSync(file, 'utf8')) as { license?: string | { type: string } }
  return typeof license === 'object' ? license.type : license
}
