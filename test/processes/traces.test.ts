import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace'
import { expect } from 'chai'
import type { Config } from '../../src/platform/config.ts'
import { installTracing, type Tracing } from '../../src/platform/trace-sdk.ts'
import type { Service } from '../../src/processes/service.ts'
import type { AddedWebhookReply } from '../../src/webhooks/webhook-contract.ts'
import { type LogLine, quiet, recordingLog } from '../support/log.ts'
import { startDispatcher, startWorker } from '../support/start-role.ts'
import { startSystem, type TestSystem, testConfig } from '../support/system.ts'
import { until } from '../support/until.ts'
import { Receiver } from '../webhooks/receivers.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const CALLER = 'b7ad6b7169203331'

describe('the trace of an order', () => {
  const exporter = new InMemorySpanExporter()
  const recording = recordingLog()
  const lines: LogLine[] = recording.lines
  let tracing: Tracing
  let system: TestSystem
  let services: Service[] = []

  before(async () => {
    tracing = installTracing(
      {
        serviceName: 'comanda',
        serviceVersion: '0',
        sampler: 'parentbased_always_on',
        ratio: 1,
        processor: new SimpleSpanProcessor({ exporter }),
      },
      quiet,
    )
    system = await startSystem(['api'], recording.log, { WEBHOOK_ALLOW_PRIVATE: true })
  })
  beforeEach(() => exporter.reset())
  afterEach(async () => {
    for (const service of services.splice(0)) await service.stop(10_000)
  })
  after(async () => {
    await system.stop()
    await tracing.stop(1_000)
  })

  async function startSlowPath(overrides: Partial<Config> = {}): Promise<void> {
    services = [
      await startWorker({ ...testConfig, ...overrides }, system.url, recording.log),
      await startDispatcher(testConfig, system.url, recording.log),
    ]
  }

  async function place(traceparent?: string, quantity = 1): Promise<string> {
    const { api } = system
    const { restaurant_id } = await api.addRestaurant()
    const { menu_item_id } = await api.addItem(restaurant_id, 5)
    const { body } = await api.call<{ order_id: string }>(
      'POST',
      '/api/v1/orders',
      { restaurant_id, items: [{ menu_item_id, quantity }] },
      traceparent ? { traceparent } : {},
    )
    return body.order_id
  }

  /** Returns a trace as lines of `span < parent span`, without the spans of batches. */
  function exportedSpans(traceId: string): string[] {
    const spans = exporter.getFinishedSpans().filter(span => span.spanContext().traceId === traceId)
    const names = new Map(spans.map(span => [span.spanContext().spanId, span.name]))
    return spans.map(({ name, parentSpanContext }) => {
      const parent = parentSpanContext?.spanId
      return `${name} < ${parent ? (names.get(parent) ?? parent) : 'nothing'}`
    })
  }

  const chain = [
    'POST /api/v1/orders < b7ad6b7169203331',
    'dispatch order.placed.v1 < POST /api/v1/orders',
    'process inventory.deduct < dispatch order.placed.v1',
    'process order.prepare < process inventory.deduct',
  ]

  it("is one trace from the client's span through outbox, dispatch and jobs to PREPARING", async () => {
    await startSlowPath()
    const orderId = await place(`00-${TRACE}-${CALLER}-01`)
    await system.api.untilStatus(orderId, 'PREPARING')
    await until('its spans are exported', () => exportedSpans(TRACE).length === chain.length)
    expect(exportedSpans(TRACE)).to.have.members(chain)

    const rows = await system.database.query<{ type: string; traceparent: string }>(
      `select type, trace_context ->> 'traceparent' as traceparent from outbox_events where order_id = $1 order by event_id`,
      [orderId],
    )
    expect(rows.map(({ type }) => type)).to.deep.equal([
      'order.placed.v1',
      'inventory.deducted.success.v1',
      'order.status.preparing.v1',
    ])
    for (const { traceparent } of rows)
      expect(traceparent).to.match(new RegExp(`^00-${TRACE}-[\\da-f]{16}-01$`))

    const traced = (pattern: RegExp) =>
      lines.filter(line => line['trace_id'] === TRACE && pattern.test(line.msg)).length
    for (const message of [
      /^request$/,
      /^order\.placed\.v1: dispatched/,
      /^inventory\.deduct: /,
      /^order\.prepare: /,
    ])
      expect(traced(message), String(message)).to.equal(1)
  })

  describe('with a webhook', () => {
    let receiver: Receiver
    let webhook: string

    beforeEach(async () => {
      receiver = await Receiver.start()
      const added = { url: `${receiver.url}/a-secret?of=theirs` }
      const { body } = await system.api.call<AddedWebhookReply>('POST', '/api/v1/webhooks', added)
      webhook = body.webhook_id
    })
    afterEach(async () => {
      await system.api.call('DELETE', `/api/v1/webhooks/${webhook}`)
      await receiver.stop()
    })

    const deliveriesOf = (orderId: string) =>
      exporter
        .getFinishedSpans()
        .filter(
          ({ kind, attributes }) => kind === SpanKind.CLIENT && attributes['comanda.order_id'] === orderId,
        )

    it('reaches the endpoint: each attempt sends its own span as traceparent', async () => {
      await startSlowPath({ WEBHOOK_ALLOW_PRIVATE: true })
      const trace = 'd'.repeat(32)
      const orderId = await place(`00-${trace}-${CALLER}-01`)
      await system.api.untilStatus(orderId, 'PREPARING')
      const whole = [
        ...chain,
        'POST order.placed.v1 < POST /api/v1/orders',
        'POST inventory.deducted.success.v1 < process inventory.deduct',
        'POST order.status.preparing.v1 < process order.prepare',
      ]
      await until('its spans are exported', () => exportedSpans(trace).length === whole.length)
      expect(exportedSpans(trace)).to.have.members(whole)

      for (const span of deliveriesOf(orderId)) {
        const { spanId } = span.spanContext()
        const type = span.attributes['comanda.event_type']
        const received = receiver.received.find(({ event }) => event.type === type)
        expect(received?.headers['traceparent']).to.equal(`00-${trace}-${spanId}-01`)
        // The event has the traceparent of its own cause, the same in every attempt.
        expect(received?.event.traceparent).to.equal(`00-${trace}-${span.parentSpanContext?.spanId}-01`)
        const { port } = new URL(receiver.url)
        expect(span.status.code).to.equal(SpanStatusCode.UNSET)
        expect(span.attributes).to.deep.equal({
          'http.request.method': 'POST',
          'http.response.status_code': 204,
          'url.full': `http://127.0.0.1:${port}/REDACTED`,
          'server.address': '127.0.0.1',
          'server.port': Number(port),
          'comanda.event_type': type,
          'comanda.event_id': received?.event.id,
          'comanda.webhook_id': webhook,
          'comanda.delivery_id': received?.id,
          'comanda.order_id': orderId,
        })
      }
      const delivered = lines.filter(
        line =>
          line['trace_id'] === trace && line['order_id'] === orderId && line.msg.endsWith(': delivered'),
      )
      expect(delivered.length).to.equal(3)
    })

    it('contains the error and the number of each attempt', async () => {
      receiver.answer = () => {
        const attempt = receiver.received.length
        if (attempt === 2) receiver.breakOff()
        return attempt === 1 ? 503 : attempt === 2 ? undefined : 204
      }
      await startSlowPath({ WEBHOOK_ALLOW_PRIVATE: true, WEBHOOK_RETRY_SECONDS: [0.05] })
      const orderId = await place(`00-${TRACE}-${CALLER}-01`)
      await system.api.untilStatus(orderId, 'PREPARING')
      await until('all deliveries have arrived', () => receiver.typesOf(orderId).length === 5)
      await until('its spans are exported', () => deliveriesOf(orderId).length === 5)
      const [refused, broken, taken] = deliveriesOf(orderId)
      expect(refused?.status).to.deep.equal({
        code: SpanStatusCode.ERROR,
        message: 'the receiver answered 503',
      })
      expect(refused?.attributes).to.include({ 'error.type': '503', 'http.response.status_code': 503 })
      expect(refused?.attributes).not.to.have.property('http.request.resend_count')
      expect(broken?.status.code).to.equal(SpanStatusCode.ERROR)
      expect(broken?.status.message).to.match(/^no connection, or no answer on it: UND_ERR_SOCKET$/)
      expect(broken?.attributes).to.include({
        'error.type': 'UND_ERR_SOCKET',
        'http.request.resend_count': 1,
      })
      expect(taken?.status.code).to.equal(SpanStatusCode.UNSET)
      expect(taken?.attributes).to.include({ 'http.request.resend_count': 2 })
      const causes = receiver.received.slice(0, 3).map(({ headers }) => headers['traceparent'])
      expect(new Set(causes).size).to.equal(3)
    })
  })

  it('stays separate when orders share a batch', async () => {
    const traces = ['1', '2', '3'].map(digit => digit.repeat(32))
    const orders = await Promise.all(traces.map(trace => place(`00-${trace}-${CALLER}-01`)))
    await startSlowPath()
    for (const order of orders) await system.api.untilStatus(order, 'PREPARING')
    for (const trace of traces) {
      await until('its spans are exported', () => exportedSpans(trace).length === chain.length)
      expect(exportedSpans(trace)).to.have.members(chain)
    }
    // Each span links to the pg-boss batch that it was part of.
    const spans = exporter.getFinishedSpans()
    const batches = new Set(
      spans
        .filter(({ name }) => name === 'process inventory.deduct')
        .flatMap(({ links }) => links)
        .map(({ context }) => context.spanId),
    )
    const theirs = spans.filter(span => batches.has(span.spanContext().spanId))
    expect(theirs.length).to.equal(batches.size).and.to.be.above(0)
  })

  it('begins a new trace if the client sends no valid traceparent', async () => {
    for (const given of [undefined, 'nonsense', `00-${'0'.repeat(32)}-${CALLER}-01`]) {
      exporter.reset()
      await place(given)
      const posts = () => exporter.getFinishedSpans().filter(({ name }) => name === 'POST /api/v1/orders')
      await until('its span is exported', () => posts().length === 1)
      expect(posts()[0]?.parentSpanContext).to.equal(undefined)
    }
  })

  it('is not exported if the client sampled it out, and keeps its id all the same', async () => {
    await startSlowPath()
    const orderId = await place(`00-${TRACE}-${CALLER}-00`)
    await system.api.untilStatus(orderId, 'PREPARING')
    const [row] = await system.database.query<{ traceparent: string }>(
      `select trace_context ->> 'traceparent' as traceparent from outbox_events where order_id = $1 and type = 'order.status.preparing.v1'`,
      [orderId],
    )
    expect(row?.traceparent).to.match(new RegExp(`^00-${TRACE}-[\\da-f]{16}-00$`))
    expect(exportedSpans(TRACE)).to.deep.equal([])
  })

  it('contains the error of a failed job, as does the log line', async () => {
    const orderId = await place(`00-${TRACE}-${CALLER}-01`)
    await system.database.execute(
      `alter table stock_movements add constraint nothing_moves check (kind <> 'DEDUCT') not valid`,
    )
    await startSlowPath()
    const failed = await until('the job has failed', () =>
      lines.find(line => line.msg === 'inventory.deduct: job failed' && line['order_id'] === orderId),
    )
    await system.database.execute('alter table stock_movements drop constraint nothing_moves')
    expect(failed['trace_id']).to.equal(TRACE)
    const span = exporter
      .getFinishedSpans()
      .find(({ name, status }) => name === 'process inventory.deduct' && status.message)
    expect(span?.spanContext().traceId).to.equal(TRACE)
    expect(span?.status.message).to.contain('nothing_moves')
  })
})
