import { CommanderError } from 'commander'
import { errorCode } from '../../src/db/sql-errors.ts'
import { unavailableSentence } from '../../src/db/unavailable-reason.ts'
import { ConfigurationError } from '../../src/platform/config.ts'
import { DatabaseUnavailable, ExpectedError } from '../../src/platform/errors.ts'
import { ScriptError } from './script-error.ts'

const INSUFFICIENT_PRIVILEGE = '42501'

/**
 * Runs a script and sets the exit status that `main` returns. An error that the user can fix is
 * printed on stderr as `comanda: …`, with exit status 1; any other error is a bug and is printed
 * with its stack. When the reader of stdout closes the pipe (`| head`), the script ends with 0.
 */
export async function runScript(main: () => Promise<number>): Promise<void> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  try {
    process.exitCode = await main()
  } catch (error) {
    if (isHelp(error)) process.exitCode = error.exitCode
    else {
      const message = userMessage(error)
      console.error(message === undefined ? error : `comanda: ${message}`)
      process.exitCode = 1
    }
  }
}

/**
 * commander has already printed the help: on stderr, with exit status 1, if a subcommand is
 * missing.
 */
function isHelp(error: unknown): error is CommanderError {
  return error instanceof CommanderError && error.code.startsWith('commander.help')
}

/** Returns the message for an error that the user can fix, or undefined for a bug. */
function userMessage(error: unknown): string | undefined {
  if (error instanceof ScriptError || error instanceof ConfigurationError) return error.message
  if (error instanceof CommanderError) return usageMessage(error)
  if (error instanceof DatabaseUnavailable) return unavailableSentence(error)
  if (error instanceof ExpectedError) return error.message
  if (errorCode(error) === INSUFFICIENT_PRIVILEGE)
    return `the login in DATABASE_URL lacks a permission: ${(error as Error).message}`
  return undefined
}

function usageMessage({ code, message }: CommanderError): string {
  const text = message.replace(/^error: /, '').replaceAll('\n', ' ')
  if (code === 'commander.invalidArgument') return text
  // npm consumes options that stand before `--` and passes on only their values.
  const hint = code === 'commander.excessArguments' ? ' npm passes options on only after `--`.' : ''
  return `${text.replace(/(?<!\.)$/, '.')}${hint} \`--help\` lists the options.`
}
