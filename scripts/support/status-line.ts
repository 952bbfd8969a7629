import { clearLine, cursorTo } from 'node:readline'
import type { WriteStream } from 'node:tty'

const REDRAW_MS = 200
const LINE_EVERY_MS = 5_000

/**
 * Says again and again what `describe` gives: on a terminal by rewriting one line, elsewhere by a
 * line now and then.
 * @returns ends it, with the last state on a line of its own
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

/** A line that wraps could not be rewritten. */
function clip(line: string, columns: number): string {
  return line.length < columns ? line : `${line.slice(0, columns - 2)}…`
}
