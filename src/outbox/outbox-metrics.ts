import { meter } from '../platform/meters.ts'

const dispatched = meter.createCounter('comanda.outbox.dispatched.events', {
  description: 'Events that this process moved to their queues, by dispatching or by publishing',
})
const quarantined = meter.createCounter('comanda.outbox.put.aside.events', {
  description: 'Events that this process quarantined because they could not be dispatched',
})

const chainedSteps = meter.createCounter('comanda.chained.steps', {
  description:
    'Steps handled in the transaction that emitted their event, or queued as jobs because that failed',
})

export function countDispatched(by: 'dispatcher' | 'worker', events: number): void {
  if (events > 0) dispatched.add(events, { by })
}

export function countQuarantined(events: number): void {
  if (events > 0) quarantined.add(events)
}

export function countChainedSteps(queue: string, outcome: 'done' | 'queued', steps: number): void {
  chainedSteps.add(steps, { queue, outcome })
}
