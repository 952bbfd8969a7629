import { Writable } from 'node:stream'
import { type Logger, pino } from 'pino'

export const quiet: Logger = pino({ level: 'silent' })

export type LogLine = Record<string, unknown> & { msg: string }

/** A logger whose lines can be looked at. */
export function recordingLog(): { log: Logger; lines: LogLine[] } {
  const lines: LogLine[] = []
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as LogLine)
      done()
    },
  })
  return { log: pino({ level: 'debug', base: {} }, stream), lines }
}
