import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** One change of a recipe in CONTRIBUTING.md. */
export interface RecipeStep {
  file: string
  /** where the lines go: next to the first line that begins with `anchor`; undefined: a new file */
  place?: { side: 'before' | 'after'; anchor: string }
  lines: string
}

/**
 * Returns the steps of the recipe under a heading. A numbered line names a file; each code block
 * is a change to it.
 */
export function readRecipe(markdown: string, heading: string): RecipeStep[] {
  const [, section = ''] = markdown.split(`\n## ${heading}\n`)
  const steps: RecipeStep[] = []
  let file = ''
  const parts = (section.split('\n## ')[0] ?? '').split(/^```\w*\n([\s\S]*?)^```$/m)
  for (const [index, part] of parts.entries()) {
    if (index % 2 === 0) continue
    const text = parts[index - 1] ?? ''
    file = /^\d+\. `([^`]+)`/m.exec(text)?.[1] ?? file
    const [, side, anchor] = /(before|after)\s+`([^`]+)`/.exec(text) ?? []
    if (side !== undefined && anchor !== undefined)
      steps.push({ file, place: { side: side as 'before' | 'after', anchor }, lines: part })
    else steps.push({ file, lines: part })
  }
  return steps
}

/**
 * Applies one step to the project in `folder`.
 * @throws Error when the anchor is missing, or a new file exists already
 */
export function applyStep(folder: string, { file, place, lines }: RecipeStep): void {
  const path = join(folder, file)
  if (!place) {
    if (existsSync(path)) throw new Error(`${file} exists already`)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, lines)
    return
  }
  const old = readFileSync(path, 'utf8').split('\n')
  const at = old.findIndex(line => line.startsWith(place.anchor))
  if (at === -1) throw new Error(`${file} has no line that begins with ${JSON.stringify(place.anchor)}`)
  old.splice(place.side === 'before' ? at : at + 1, 0, lines.replace(/\n$/, ''))
  writeFileSync(path, old.join('\n'))
}
