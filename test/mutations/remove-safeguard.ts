import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ScriptError } from '../../scripts/support/script-error.ts'
import type { Safeguard } from './safeguards.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const COPIED = ['src', 'migrations', 'scripts', 'test', 'package.json', 'README.md', 'CHANGELOG.md']

/** Copies the project into a folder, over an earlier copy. `node_modules` is a link. */
export function copyProject(folder: string): void {
  for (const name of COPIED) cpSync(join(ROOT, name), join(folder, name), { recursive: true })
  const modules = join(folder, 'node_modules')
  if (!existsSync(modules)) symlinkSync(join(ROOT, 'node_modules'), modules)
}

/** Removes a safeguard from a copy of the project. @throws ScriptError when its text has changed */
export function removeSafeguard(folder: string, safeguard: Safeguard): void {
  const path = join(folder, safeguard.file)
  writeFileSync(path, withoutSafeguard(readFileSync(path, 'utf8'), safeguard))
}

/**
 * Returns the source text of the safeguard's file without the safeguard.
 * @throws ScriptError when one of the texts to replace does not occur exactly once
 */
export function withoutSafeguard(source: string, { name, file, edits }: Safeguard): string {
  let edited = source
  for (const [text, replacement] of edits) {
    const count = edited.split(text).length - 1
    if (count !== 1)
      throw new ScriptError(
        `${name}: ${file} must contain ${JSON.stringify(text)} once but contains it ${count} times; fix test/mutations`,
      )
    edited = edited.replace(text, () => replacement)
  }
  return edited
}
