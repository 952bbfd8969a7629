import { expect } from 'chai'
import type { LeasedDelivery } from '../../src/webhooks/delivery/claim-deliveries.ts'
import { traceAttempt } from '../../src/webhooks/delivery/trace-attempt.ts'

describe('a delivery attempt with tracing disabled', () => {
  const leased = (trace_context: object | null) => ({ trace_context }) as unknown as LeasedDelivery

  it('sends the traceparent of its event unchanged', () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    expect(traceAttempt(leased({ traceparent })).traceparent).to.equal(traceparent)
    expect(traceAttempt(leased({})).traceparent).to.equal(undefined)
    expect(traceAttempt(leased(null)).traceparent).to.equal(undefined)
  })
})
