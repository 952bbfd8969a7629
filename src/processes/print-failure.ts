import { NotMigrated } from '../db/migrations.ts'
import { unavailableSentence } from '../db/unavailable-reason.ts'
import { ConfigurationError } from '../platform/config.ts'
import { DatabaseUnavailable } from '../platform/errors.ts'
import { PipelineEnded } from './pipeline-process.ts'

/** Prints why the process ends: one line if the user can act on it, else the error's stack. */
export function printFailure(error: unknown): void {
  const message = userMessage(error)
  console.error(message === undefined ? error : `comanda: ${message}`)
}

/** Returns one line for an error that the user can act on, or undefined for a bug. */
function userMessage(error: unknown): string | undefined {
  if (error instanceof DatabaseUnavailable) return unavailableSentence(error)
  const isForUser =
    error instanceof ConfigurationError || error instanceof NotMigrated || error instanceof PipelineEnded
  return isForUser ? `${error.message}${causeOf(error)}` : undefined
}

function causeOf(error: Error): string {
  return error.cause instanceof Error ? ` (${error.cause.message.split('\n', 1)[0]})` : ''
}
