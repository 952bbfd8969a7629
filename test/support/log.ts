import { Writable } from 'node:stream'
import { type Logger, pino } from 'pino'
import { collectDeniedStatements } from './denied-statements.ts'

/** A logger that prints nothing. */
export const quiet: Logger = pino(
  { level: 'warn' },
  logStream(() => undefined),
)

export type LogLine = Record<string, unknown> & { msg: string }

/** Returns a logger and the lines that it logs. */
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
