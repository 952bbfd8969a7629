import { execFile } from 'node:child_process'

/**
 * A program that prints the files of its arguments without their types, as a JSON array. Types are
 * replaced by blanks, so that lines, columns and coverage are those of the TypeScript.
 */
const program = `
  import { readFileSync } from 'node:fs'
  import { stripTypeScriptTypes } from 'node:module'
  const files = process.argv.slice(1).map(file => readFileSync(file, 'utf8'))
  process.stdout.write(JSON.stringify(files.map(code => stripTypeScriptTypes(code))))
`

const MAX_OUTPUT_BYTES = 4 * 1024 * 1024

/**
 * Returns the files as JavaScript, in order. Runs in a process of its own, because the compiler
 * would keep 30 MB of the API's memory, and warns that the function is experimental.
 */
export async function stripTypes(files: readonly string[]): Promise<string[]> {
  const flags = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', program]
  const output = await new Promise<string>((done, fail) =>
    execFile(
      process.execPath,
      [...flags, '--', ...files],
      { maxBuffer: MAX_OUTPUT_BYTES },
      (error, stdout) => (error ? fail(error) : done(stdout)),
    ),
  )
  return JSON.parse(output) as string[]
}
