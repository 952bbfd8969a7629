import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { dirname } from 'node:path'

/**
 * Writes all figures of a run to a JSON file, with the time and the machine, and prints the path.
 */
export function writeFigures(file: string, figures: Record<string, unknown>): void {
  mkdirSync(dirname(file), { recursive: true })
  const machine = {
    cpus: cpus().length,
    model: cpus()[0]?.model,
    memoryBytes: totalmem(),
    node: process.version,
  }
  writeFileSync(file, `${JSON.stringify({ at: new Date().toISOString(), machine, ...figures }, null, 2)}\n`)
  console.error(`\nall figures: ${file}`)
}
