import { orderCode } from './order-code.ts'

/** Wraps a text in the escape sequences of a color, or returns it where there are no colors. */
type Colors = Record<'gray' | 'cyan' | 'yellow' | 'red', (text: string) => string>

/** Fields of a JSON log line. */
type LogFields = Readonly<Record<string, unknown>>

const ROLE_WIDTH = 10
const CODE_LENGTH = 4
const STEP_WIDTH = 30

/** `STEP: OUTCOME`, where the step is a queue or an event type. */
const STEP = /^(\w+(?:[.-]\w+)+): (.+)$/s

/** Fields that a reader needs only to find related lines, which the JSON format is for. */
const CORRELATION = new Set(['event_id', 'job_id', 'request_id', 'trace_id', 'caused_by', 'pid'])
/** Further fields that the step and the code of an order make superfluous. */
const ABOUT_ORDER = new Set(['restaurant_id', 'webhook_id', 'delivery_id', 'jobs', 'queue', 'type'])
const SHOWN_ELSEWHERE = new Set(['level', 'time', 'msg', 'role', 'order_id', 'err'])

/**
 * Returns a log line for people: time in UTC, role, code of the order, level unless `info`, step,
 * outcome, and the remaining fields. The stack of an unexpected error follows on lines of its own.
 */
export function logLine(fields: LogFields, colors: Colors): string {
  const { time, role, level, msg, order_id, err } = fields
  const [, step, outcome] = STEP.exec(String(msg)) ?? []
  const isError = level === 'error' || level === 'fatal'
  const paint = isError ? colors.red : level === 'warn' ? colors.yellow : colors.gray
  return [
    colors.gray(String(time).slice(11, 19)),
    colors.cyan((typeof role === 'string' ? role : 'all').padEnd(ROLE_WIDTH)),
    (typeof order_id === 'string' ? orderCode(order_id) : '-').padEnd(CODE_LENGTH),
    ...(level === 'info' ? [] : [paint(String(level).toUpperCase())]),
    ...(step && outcome ? [step.padEnd(STEP_WIDTH), outcome] : [oneLine(msg)]),
    ...otherFields(fields).map(([name, value]) => colors.gray(`${name}=${oneLine(value)}`)),
  ]
    .join(' ')
    .concat(stackOf(err))
}

function otherFields(fields: LogFields): [name: string, value: unknown][] {
  const isAboutOrder = typeof fields['order_id'] === 'string'
  return Object.entries(fields).filter(
    ([name]) =>
      !SHOWN_ELSEWHERE.has(name) && !CORRELATION.has(name) && !(isAboutOrder && ABOUT_ORDER.has(name)),
  )
}

function oneLine(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  return text.replaceAll(/[\s\p{Cc}]+/gu, ' ')
}

function stackOf(error: unknown): string {
  const { stack } = (error ?? {}) as { stack?: string }
  return stack === undefined ? '' : `\n${stack}`
}
