import { expect } from 'chai'
import { logFormatOf, parseConfig } from '../../src/platform/config.ts'
import { withMessageFirst } from '../../src/platform/log.ts'
import { logLine } from '../../src/platform/log-line.ts'

describe('a log line in JSON', () => {
  const line = (message: string, fields: string) =>
    `{"level":"info","time":"2026-11-28T04:51:40.715Z"${fields},"msg":${JSON.stringify(message)}}\n`

  it('begins with time, level and message, and keeps everything else', () => {
    for (const message of ['order.placed.v1: dispatched', 'says "msg":"x"} and \\', 'a, "b"\n$& {$1}', '']) {
      for (const fields of ['', ',"role":"worker","nested":{"level":"x","msg":"y"},"jobs":[]']) {
        const original = line(message, fields)
        const moved = withMessageFirst(original)
        expect(Object.keys(JSON.parse(moved) as object).slice(0, 3)).to.deep.equal(['time', 'level', 'msg'])
        expect(JSON.parse(moved)).to.deep.equal(JSON.parse(original))
        expect(moved).to.match(/\}\n$/)
      }
    }
  })

  it('is unchanged when it has no message', () => {
    const original = '{"level":"info","time":"2026-11-28T04:51:40.715Z","nested":{"msg":"y"}}\n'
    expect(withMessageFirst(original)).to.equal(original)
  })
})

describe('a log line for people', () => {
  const plain = (text: string) => text
  const colors = { gray: plain, cyan: plain, yellow: plain, red: plain }
  const info = { level: 'info', time: '2026-11-28T04:51:40.715Z', role: 'worker' }
  const order_id = '019a0000-0000-7000-8000-00003cc77001'
  const correlation = { event_id: 'e', job_id: 'j', request_id: 'r', trace_id: 't', caused_by: 'c' }

  it('shows time, role, code of the order, step and outcome of a job', () => {
    const fields = { ...info, ...correlation, order_id, type: 'order.placed.v1', restaurant_id: 'r' }
    expect(logLine({ ...fields, msg: 'inventory.deduct: stock deducted' }, colors)).to.equal(
      '04:51:40 worker     7K3Q inventory.deduct               stock deducted',
    )
    expect(logLine({ ...fields, msg: 'order.prepare: PLACED → PREPARING' }, colors)).to.equal(
      '04:51:40 worker     7K3Q order.prepare                  PLACED → PREPARING',
    )
  })

  it('shows the level of a warning and the remaining fields, on one line', () => {
    const fields = { ...info, level: 'warn', order_id, status: 503, error: 'reset\u001b[31m\nby peer' }
    expect(logLine({ ...fields, msg: 'order.placed.v1: not delivered' }, colors)).to.equal(
      '04:51:40 worker     7K3Q WARN order.placed.v1                not delivered status=503 error=reset [31m by peer',
    )
  })

  it('shows the ids of a line that is not about an order', () => {
    const fields = { ...info, role: undefined, restaurant_id: 'r', checks: ['a', 'b'] }
    expect(logLine({ ...fields, msg: 'the database was empty: added a demo menu' }, colors)).to.equal(
      '04:51:40 all        -    the database was empty: added a demo menu restaurant_id=r checks=["a","b"]',
    )
  })

  it('ends with the stack of an unexpected error', () => {
    const err = { message: 'no', stack: 'Error: no\n    at place' }
    expect(logLine({ ...info, level: 'error', msg: 'request failed', err }, colors)).to.equal(
      '04:51:40 worker     -    ERROR request failed\nError: no\n    at place',
    )
  })
})

describe('LOG_FORMAT', () => {
  const format = (LOG_FORMAT: string | undefined, role: string, isTerminal: boolean) =>
    logFormatOf(parseConfig({ LOG_FORMAT }), role, isTerminal)

  it('is by default pretty for npm start and on terminals, and JSON for other roles', () => {
    expect(format(undefined, 'all', false)).to.equal('pretty')
    expect(format(undefined, 'worker', true)).to.equal('pretty')
    expect(format(undefined, 'worker', false)).to.equal('json')
  })

  it('decides for every role and terminal when it is set', () => {
    for (const isTerminal of [true, false]) {
      for (const role of ['all', 'worker']) {
        expect(format('json', role, isTerminal)).to.equal('json')
        expect(format('pretty', role, isTerminal)).to.equal('pretty')
      }
    }
  })
})
