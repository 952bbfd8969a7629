import { expect } from 'chai'
import type { Held } from '../../src/webhooks/delivery/in-flight-deliveries.ts'
import { traceAttempt } from '../../src/webhooks/delivery/trace-attempt.ts'

describe('a delivery attempt with tracing disabled', () => {
  const held = (trace_context: object | null) => ({ delivery: { trace_context } }) as unknown as Held

  it('sends the traceparent of its event unchanged', () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    expect(traceAttempt(held({ traceparent })).traceparent).to.equal(traceparent)
    expect(traceAttempt(held({})).traceparent).to.equal(undefined)
    expect(traceAttempt(held(null)).traceparent).to.equal(undefined)
  })
})
