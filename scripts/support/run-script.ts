import { ConfigurationError } from '../../src/platform/config.ts'
import { DatabaseUnavailable } from '../../src/platform/errors.ts'
import { ScriptError } from './script-error.ts'

/** What Postgres says to a login that it does not let in, or not do something, by SQLSTATE. */
const refusals: Record<string, string> = {
  '28P01': 'the login in DATABASE_URL is not let in',
  '28000': 'the login in DATABASE_URL is not let in',
  '3D000': 'the database in DATABASE_URL is not there',
  '42501': 'the login in DATABASE_URL may not do this',
}

/**
 * Runs a script to its end. What it returns is the exit status. An error for the reader becomes `comanda: …` on
 * stderr and exit status 1; any other is a bug and keeps its stack. A reader that goes away (`| head`) ends it quietly.
 */
export async function runScript(main: () => Promise<number>): Promise<void> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  try {
    process.exitCode = await main()
  } catch (error) {
    const message = messageFor(error)
    console.error(message === undefined ? error : `comanda: ${message}`)
    process.exitCode = 1
  }
}

/** What the person at the terminal can put right; undefined for a bug. */
function messageFor(error: unknown): string | undefined {
  if (error instanceof ScriptError || error instanceof ConfigurationError) return error.message
  if (error instanceof DatabaseUnavailable)
    return `the database in DATABASE_URL cannot be reached: ${error.cause instanceof Error ? error.cause.message : error.message}`
  const { code = '', message } = error as NodeJS.ErrnoException
  return refusals[code] && `${refusals[code]}: ${message}`
}
