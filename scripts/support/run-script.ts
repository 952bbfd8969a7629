import { ConfigurationError } from '../../src/platform/config.ts'
import { ScriptError } from './script-error.ts'

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
    const isForTheReader = error instanceof ScriptError || error instanceof ConfigurationError
    console.error(isForTheReader ? `comanda: ${error.message}` : error)
    process.exitCode = 1
  }
}
