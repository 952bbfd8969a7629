import { clearLine, cursorTo } from 'node:readline'
import type { WriteStream } from 'node:tty'

const REDRAW_MS = 200
const LINE_EVERY_MS = 5_000

/**
 * Shows the text of `describe` repeatedly: on a terminal by rewriting one line, otherwise as a new
 * line every LINE_EVERY_MS.
 * @returns a function that ends it and prints the last state on a line of its own
 */
export function showStatus(stream: WriteStream, describe: () => string): () => void {
  function redraw(): void {
    cursorTo(stream, 0)
    stream.write(clip(describe(), stream.columns))
    clearLine(stream, 1)
  }
  const draw = stream.isTTY ? redraw : () => void stream.write(`${describe()}\n`)
  draw()
  const timer = setInterval(draw, stream.isTTY ? REDRAW_MS : LINE_EVERY_MS)
  return () => {
    clearInterval(timer)
    draw()
    if (stream.isTTY) stream.write('\n')
  }
}

/** Shortens a line, because a wrapped line could not be rewritten. */
function clip(line: string, columns: number): string {
  return line.length < columns ? line : `${line.slice(0, columns - 2)}…`
}
