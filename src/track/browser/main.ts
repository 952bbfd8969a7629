import { render } from 'lit-html'
import { Api } from '../../pages/browser/api.ts'
import { ServerClock } from '../../pages/browser/clock.ts'
import { type Connection, Follower, type StreamEvent } from '../../pages/browser/follow.ts'
import { wakeAndRest } from '../../pages/browser/wake-and-rest.ts'
import { type Tracking, titleOf, trackingView } from './track-view.ts'
import { isOver, type TrackedOrder, type TrackedStep, withStep } from './tracked-order.ts'

/** A page that the server refuses a stream polls, and not often: there may be thousands. */
const MIN_RETRY_SECONDS = 10
const REFUSALS = new Set([403, 404, 410])

const root = document.querySelector<HTMLElement>('#track') as HTMLElement
const clock = new ServerClock()
const api = new Api(new URL('..', document.baseURI).href, clock)
const orderId = new URL(document.baseURI).pathname.split('/').at(-1) ?? ''
const token = new URLSearchParams(location.hash.slice(1)).get('t') ?? ''
const headers = { 'tracking-token': token }
let tracking: Tracking = {
  order: undefined,
  connection: { state: 'connecting' },
  heardMs: undefined,
  refusal: undefined,
}

function show(change: Partial<Tracking>): void {
  tracking = { ...tracking, ...change }
  render(trackingView(tracking), root)
  document.title = titleOf(tracking)
}

const follower = new Follower({
  url: api.url(`track/${orderId}/stream`),
  headers,
  clock,
  minRetrySeconds: MIN_RETRY_SECONDS,
  onEvents: events => {
    for (const event of events) apply(event)
    if (tracking.order && isOver(tracking.order)) follower.stop()
  },
  onConnection: connection => {
    show({ connection })
    if (connection.state === 'refused') refuse(connection.problem)
    else if (connection.state === 'lost' && connection.problem !== undefined) void poll(connection)
  },
})

function apply({ type, data }: StreamEvent): void {
  const heardMs = clock.nowMs()
  if (type === 'order') show({ order: data as TrackedOrder, heardMs })
  else if (type === 'step' && tracking.order)
    show({ order: withStep(tracking.order, data as TrackedStep), heardMs })
}

/** The server answers, but gives no stream: reads the order once. */
async function poll(connection: Connection): Promise<void> {
  const { status, body, problem } = await api.call(`track/${orderId}/order`, { headers })
  if (REFUSALS.has(status)) return refuse(problem ?? '')
  if (problem !== undefined) return
  const order = body as TrackedOrder
  if (isOver(order)) follower.stop()
  show({ order, heardMs: clock.nowMs(), connection })
}

function refuse(refusal: string): void {
  follower.stop()
  show({ refusal })
}

// The link of another order in the same tab.
addEventListener('hashchange', () => location.reload())

if (token === '') {
  show({
    refusal:
      'This link is incomplete: its end is missing. Open it again from the message that has it, or copy all of it.',
  })
} else {
  show({})
  follower.start()
  wakeAndRest({
    wake: () => {
      follower.resume()
      follower.wake()
    },
    rest: () => follower.rest(),
  })
}
