import { Writable } from 'node:stream'
import { type Logger, pino } from 'pino'
import { collectDeniedStatements } from './denied-statements.ts'

/** Prints nothing. */
export const quiet: Logger = pino(
  { level: 'warn' },
  logStream(() => undefined),
)

export type LogLine = Record<string, unknown> & { msg: string }

/** A logger that keeps its lines. */
export function recordingLog(): { log: Logger; lines: LogLine[] } {
  const lines: LogLine[] = []
  const stream = logStream(line => lines.push(JSON.parse(line) as LogLine))
  return { log: pino({ level: 'debug', base: {} }, stream), lines }
}

function logStream(onLine: (line: string) => void): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      const line = chunk.toString()
      collectDeniedStatements(line)
      onLine(line)
      done()
    },
  })
}
